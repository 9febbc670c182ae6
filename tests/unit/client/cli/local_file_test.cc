#include "client/cli/local_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <sstream>

#include "client/error_info.h"
#include "tests/support/temp_dir.h"

namespace resnetd::cli {
namespace {

using client::ErrorInfoOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string ReadFile(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

class LocalFileTest : public testing::Test {
 protected:
  std::string Path(const std::string& name) const { return folder_.File(name); }
  TempDir folder_;
};

TEST_F(LocalFileTest, HashesAFileAndTellsHowFarItIs) {
  const std::string path = folder_.Write("a.pth", "abc");
  std::int64_t told = 0;
  const auto file =
      InspectWeightsFile(path, [&told](std::int64_t done, std::int64_t total) {
        EXPECT_EQ(total, 3);
        told = done;
      });
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(told, 3);
  EXPECT_EQ(file->size_bytes, 3);
  // FIPS 180-2, appendix B.1.
  EXPECT_EQ(file->sha256,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST_F(LocalFileTest, RefusesWhatIsNoFileOfWeights) {
  const auto reason = [](const std::string& path) {
    return ErrorInfoOf(InspectWeightsFile(path, {}).status()).reason;
  };
  EXPECT_EQ(reason(Path("none")), "FILE_NOT_FOUND");
  EXPECT_EQ(reason(Path("none/a")), "FILE_NOT_FOUND");
  EXPECT_EQ(reason(folder_.path()), "FILE_IS_DIRECTORY");
  EXPECT_EQ(reason(folder_.Write("empty", "")), "FILE_EMPTY");
  EXPECT_EQ(reason("/dev/null"), "FILE_UNREADABLE");
}

TEST_F(LocalFileTest, RefusesTheFormatOfOldTorchWithItsConversion) {
  const std::string magic(
      "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 14);
  const absl::Status error =
      InspectWeightsFile(folder_.Write("o.pth", magic), {}).status();
  EXPECT_EQ(ErrorInfoOf(error).reason, "FILE_LEGACY_FORMAT");
  EXPECT_THAT(std::string(error.message()), HasSubstr("torch.save("));
  // Any other file is the server's to judge.
  EXPECT_TRUE(
      InspectWeightsFile(folder_.Write("p.pth", magic.substr(0, 13)), {}).ok());
}

TEST_F(LocalFileTest, ReadsLabelsOfBothLineEnds) {
  const auto labels = [this](const std::string& text) {
    return *ReadLabels(folder_.Write("l.txt", text));
  };
  EXPECT_THAT(labels("a\nb\n"), ElementsAre("a", "b"));
  EXPECT_THAT(labels("a\r\nb"), ElementsAre("a", "b"));
  EXPECT_THAT(labels("\xEF\xBB\xBF"
                     "a b\n"),
              ElementsAre("a b"));
  // What is wrong with it the server says.
  EXPECT_THAT(labels("a\n\nb\n"), ElementsAre("a", "", "b"));
}

TEST_F(LocalFileTest, RefusesLabelsThatAreNone) {
  const auto reason = [](const std::string& path) {
    return ErrorInfoOf(ReadLabels(path).status()).reason;
  };
  EXPECT_EQ(reason(Path("none")), "FILE_NOT_FOUND");
  EXPECT_EQ(reason(folder_.path()), "FILE_IS_DIRECTORY");
  EXPECT_EQ(reason(folder_.Write("e", "\xEF\xBB\xBF\n")), "FILE_EMPTY");
  constexpr std::size_t kLimit = 16 << 20;
  EXPECT_TRUE(ReadLabels(folder_.Write("l", std::string(kLimit, 'x'))).ok());
  EXPECT_EQ(reason(folder_.Write("m", std::string(kLimit + 1, 'x'))),
            "FILE_TOO_LARGE");
}

TEST(NameAfterFileTest, IsTheFilesNameWhereThatIsOne) {
  EXPECT_EQ(NameAfterFile("resnet50.pth"), "resnet50");
  EXPECT_EQ(NameAfterFile("/a/b.c/resnet50-0676ba61.pth"), "resnet50-0676ba61");
  EXPECT_EQ(NameAfterFile("cats.v2.safetensors"), "cats.v2");
  EXPECT_EQ(NameAfterFile("x.pt"), "x");
  EXPECT_EQ(NameAfterFile("cats"), "cats");
  for (const char* path : {"My Cats.pth", ".pth", "Cats.pt", "a/", ""}) {
    EXPECT_EQ(NameAfterFile(path), "") << path;
  }
}

TEST_F(LocalFileTest, WritesAFileThatAppearsWholeOrNotAtAll) {
  const std::string path = Path("out");
  {
    auto file = NewFile::Create(path, false);
    ASSERT_TRUE(file.ok()) << file.status();
    EXPECT_TRUE(file->Write("half").ok());
    struct stat facts = {};
    EXPECT_NE(stat(path.c_str(), &facts), 0);
  }
  EXPECT_TRUE(NewFile::Create(path, false).ok());
  auto file = NewFile::Create(path, false);
  EXPECT_TRUE(file->Write("wh").ok());
  EXPECT_TRUE(file->Write("ole").ok());
  EXPECT_TRUE(file->Commit().ok());
  EXPECT_EQ(ReadFile(path), "whole");
}

TEST_F(LocalFileTest, ReplacesOnlyWhenTold) {
  const std::string path = folder_.Write("out", "old");
  const absl::Status error = NewFile::Create(path, false).status();
  EXPECT_TRUE(absl::IsAlreadyExists(error));
  EXPECT_EQ(ErrorInfoOf(error).reason, "FILE_EXISTS");
  auto file = NewFile::Create(path, true);
  ASSERT_TRUE(file.ok());
  EXPECT_TRUE(file->Write("new").ok());
  EXPECT_EQ(ReadFile(path), "old");
  EXPECT_TRUE(file->Commit().ok());
  EXPECT_EQ(ReadFile(path), "new");
}

TEST_F(LocalFileTest, SaysThatAFileCannotBeWritten) {
  EXPECT_EQ(
      ErrorInfoOf(NewFile::Create(Path("none/out"), false).status()).reason,
      "FILE_UNWRITABLE");
  EXPECT_EQ(ErrorInfoOf(NewFile::Create(folder_.path(), true).status()).reason,
            "FILE_IS_DIRECTORY");
}

}  // namespace
}  // namespace resnetd::cli
