#include "server/app/declared_files.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/bytes.h"
#include "server/base/error.h"
#include "server/base/sha256.h"
#include "tests/support/temp_dir.h"

namespace resnetd {
namespace {

DeclaredModel Declared(const std::string& file) {
  DeclaredModel model(ModelName::Parse("tiny").value());
  model.file = file;
  return model;
}

std::string TextOf(const OperatorFile& file) {
  std::string text;
  EXPECT_TRUE(file.Read([&text](absl::Span<const std::uint8_t> bytes) {
                    text.append(bytes.begin(), bytes.end());
                    return absl::OkStatus();
                  })
                  .ok());
  return text;
}

TEST(DeclaredFilesTest, GivesEachFileAndItsDigest) {
  const TempDir dir;
  // More than are opened ahead.
  std::vector<DeclaredModel> models;
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < 3 * kFilesAhead; ++i) {
    texts.push_back(std::string((i % 3) << 20U, 'a') + absl::StrCat(i));
    models.push_back(Declared(dir.Write(absl::StrCat("w", i), texts[i])));
  }
  DeclaredFiles files(models);
  for (std::size_t i = 0; i < models.size(); ++i) {
    const auto file = files.Take(i);
    ASSERT_TRUE(file.ok()) << file.status();
    EXPECT_EQ(file->digest, Sha256Hex(AsBytes(texts[i]))) << i;
    EXPECT_EQ(TextOf(file->file), texts[i]) << i;
  }
}

TEST(DeclaredFilesTest, LeavesOutDeclarationsWithoutAFile) {
  const TempDir dir;
  const std::vector<DeclaredModel> models = {
      Declared(""), Declared(dir.Write("a", "1")), Declared(""),
      Declared(dir.Write("b", "2"))};
  DeclaredFiles files(models);
  EXPECT_EQ(files.Take(1)->digest, Sha256Hex(AsBytes("1")));
  EXPECT_EQ(files.Take(3)->digest, Sha256Hex(AsBytes("2")));
}

TEST(DeclaredFilesTest, AFileThatIsPassedOverHoldsUpNoOther) {
  const TempDir dir;
  std::vector<DeclaredModel> models;
  for (std::size_t i = 0; i <= 2 * kFilesAhead; ++i) {
    models.push_back(
        Declared(dir.Write(absl::StrCat("w", i), absl::StrCat(i))));
  }
  DeclaredFiles files(models);
  EXPECT_EQ(files.Take(2 * kFilesAhead)->digest,
            Sha256Hex(AsBytes(absl::StrCat(2 * kFilesAhead))));
}

TEST(DeclaredFilesTest, AnErrorIsThatOfItsDeclarationAlone) {
  const TempDir dir;
  const std::vector<DeclaredModel> models = {Declared(dir.File("missing")),
                                             Declared(dir.Write("a", "1")),
                                             Declared(dir.path())};
  DeclaredFiles files(models);
  const absl::Status missing = files.Take(0).status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DetailsOf(missing).reason, "MODEL_INVALID");
  EXPECT_TRUE(files.Take(1).ok());
  EXPECT_EQ(DetailsOf(files.Take(2).status()).reason, "MODEL_INVALID");
}

TEST(DeclaredFilesTest, MayEndBeforeAnyIsTaken) {
  const TempDir dir;
  const std::string path = dir.Write("large", "");
  std::filesystem::resize_file(path, std::uintmax_t{1} << 30U);
  const std::vector<DeclaredModel> models(3 * kFilesAhead, Declared(path));
  const DeclaredFiles files(models);
}

TEST(DeclaredFilesTest, OfNoDeclarationsThereAreNone) {
  const DeclaredFiles files(absl::Span<const DeclaredModel>{});
}

}  // namespace
}  // namespace resnetd
