#include "server/app/operator_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstddef>
#include <filesystem>
#include <string>

#include "server/base/error.h"
#include "server/base/sha256.h"
#include "tests/support/temp_dir.h"

namespace resnetd {
namespace {

std::string ContentOf(const OperatorFile& file) {
  std::string content;
  EXPECT_TRUE(file.Read([&content](absl::Span<const std::uint8_t> bytes) {
                    content.append(bytes.begin(), bytes.end());
                    return absl::OkStatus();
                  })
                  .ok());
  return content;
}

std::string OpenError(const std::string& path) {
  const absl::Status status = OperatorFile::Open(path).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DetailsOf(status).reason, "MODEL_INVALID");
  return std::string(status.message());
}

TEST(OperatorFileTest, GivesTheWholeFileAsOftenAsAsked) {
  const TempDir dir;
  // Around the size of a piece.
  for (const std::size_t size :
       {0U, 1U, (1U << 20U) - 1, 1U << 20U, (1U << 20U) + 1, 3U << 20U}) {
    std::string text(size, 'a');
    for (std::size_t i = 0; i < size; i += 1000) {
      text[i] = static_cast<char>('a' + i / 1000 % 26);
    }
    const auto file = OperatorFile::Open(dir.Write("weights.pth", text));
    ASSERT_TRUE(file.ok()) << file.status();
    EXPECT_EQ(file->size(), static_cast<std::int64_t>(size));
    EXPECT_EQ(file->name(), "weights.pth");
    EXPECT_EQ(ContentOf(*file), text);
    EXPECT_EQ(ContentOf(*file), text);
    EXPECT_EQ(file->Digest([] { return true; }).value(),
              Sha256Hex(absl::MakeConstSpan(
                  reinterpret_cast<const unsigned char*>(text.data()), size)));
  }
}

TEST(OperatorFileTest, FollowsLinks) {
  const TempDir dir;
  dir.Write("..data", "weights");
  std::filesystem::create_symlink("..data", dir.File("link"));
  const auto file = OperatorFile::Open(dir.File("link"));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(ContentOf(*file), "weights");
}

TEST(OperatorFileTest, EndsWithTheFirstErrorOfTheTaker) {
  const TempDir dir;
  const auto file =
      OperatorFile::Open(dir.Write("f", std::string(3U << 20U, 'x')));
  ASSERT_TRUE(file.ok());
  int calls = 0;
  EXPECT_EQ(file->Read([&calls](absl::Span<const std::uint8_t>) {
                  ++calls;
                  return absl::AbortedError("enough");
                })
                .code(),
            absl::StatusCode::kAborted);
  EXPECT_EQ(calls, 1);
}

TEST(OperatorFileTest, SaysWhyAFileCannotBeOpened) {
  const TempDir dir;
  EXPECT_EQ(OpenError(dir.File("nowhere.pth")),
            "\"nowhere.pth\" does not exist");
  dir.Write("file", "x");
  EXPECT_EQ(OpenError(dir.File("file/below")), "\"below\" does not exist");
  EXPECT_EQ(OpenError(dir.MakeFolder("folder")),
            "\"folder\" is no regular file");
  ASSERT_EQ(mkfifo(dir.File("pipe").c_str(), 0600), 0);
  EXPECT_EQ(OpenError(dir.File("pipe")), "\"pipe\" is no regular file");
}

TEST(OperatorFileTest, NoticesAFileThatShrank) {
  const TempDir dir;
  const auto file = OperatorFile::Open(dir.Write("f", "0123456789"));
  ASSERT_TRUE(file.ok());
  std::filesystem::resize_file(dir.File("f"), 5);
  EXPECT_EQ(file->Digest([] { return true; }).status().message(),
            "\"f\" changed while it was read; try again");
}

}  // namespace
}  // namespace resnetd
