#include "server/models/read_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "server/base/error.h"
#include "tests/support/temp_dir.h"

namespace resnetd {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string TextOf(const absl::Status& status) {
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_EQ(DetailsOf(status).reason, "MODEL_INVALID") << status;
  return std::string(status.message());
}

TEST(ReadFileIfThereTest, ReadsAllBytes) {
  const TempDir dir;
  const std::string text("a\0b\n", 4);
  dir.Write("f", text);
  const auto bytes = ReadFileIfThere(dir.path(), "f", 100);
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  EXPECT_EQ(std::string((*bytes)->begin(), (*bytes)->end()), text);
  dir.Write("empty", "");
  EXPECT_EQ(ReadFileIfThere(dir.path(), "empty", 0).value()->size(), 0U);
}

TEST(ReadFileIfThereTest, IsAbsentWhenThereIsNoFile) {
  const TempDir dir;
  EXPECT_EQ(ReadFileIfThere(dir.path(), "f", 100).value(), std::nullopt);
  // A link to nothing is no file either.
  std::filesystem::create_symlink("nothing", dir.File("link"));
  EXPECT_EQ(ReadFileIfThere(dir.path(), "link", 100).value(), std::nullopt);
}

TEST(ReadFileIfThereTest, FollowsLinks) {
  const TempDir dir;
  dir.Write("target", "abc");
  std::filesystem::create_symlink("target", dir.File("link"));
  EXPECT_EQ(ReadFileIfThere(dir.path(), "link", 100).value()->size(), 3U);
}

TEST(ReadFileIfThereTest, LimitsTheSize) {
  const TempDir dir;
  dir.Write("f", "12345");
  EXPECT_TRUE(ReadFileIfThere(dir.path(), "f", 6).ok());
  EXPECT_TRUE(ReadFileIfThere(dir.path(), "f", 5).ok());
  const absl::Status status = ReadFileIfThere(dir.path(), "f", 4).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DetailsOf(status).reason, "LIMIT_EXCEEDED");
  EXPECT_EQ(std::string(status.message()),
            "\"f\" has 5 bytes, at most 4 are accepted");
}

TEST(ReadFileIfThereTest, TakesRegularFilesOnly) {
  const TempDir dir;
  dir.MakeFolder("folder");
  EXPECT_EQ(TextOf(ReadFileIfThere(dir.path(), "folder", 100).status()),
            "\"folder\" is not a regular file");
  ASSERT_EQ(mkfifo(dir.File("pipe").c_str(), 0600), 0);
  EXPECT_EQ(TextOf(ReadFileIfThere(dir.path(), "pipe", 100).status()),
            "\"pipe\" is not a regular file");
  std::filesystem::create_symlink("/dev/zero", dir.File("device"));
  EXPECT_EQ(TextOf(ReadFileIfThere(dir.path(), "device", 100).status()),
            "\"device\" is not a regular file");
}

TEST(ReadFileIfThereTest, NamesALoopOfLinks) {
  const TempDir dir;
  std::filesystem::create_symlink("loop", dir.File("loop"));
  EXPECT_EQ(TextOf(ReadFileIfThere(dir.path(), "loop", 100).status()),
            "\"loop\" is a loop of links");
}

// The size of a file of /proc is 0, whatever it holds: like a file that grows
// between the look at its size and the reading.
TEST(ReadFileIfThereTest, RefusesAFileThatHoldsMoreThanItsSize) {
  EXPECT_THAT(TextOf(ReadFileIfThere("/proc/self", "status", 1 << 20).status()),
              HasSubstr("\"status\" changed while it was read"));
}

TEST(CheckFolderTest, NamesWhatIsWrongWithoutThePath) {
  const TempDir dir;
  EXPECT_TRUE(CheckFolder(dir.path()).ok());
  EXPECT_EQ(TextOf(CheckFolder(dir.File("missing"))),
            "\"missing\" does not exist");
  dir.Write("file", "x");
  EXPECT_EQ(TextOf(CheckFolder(dir.File("file"))), "\"file\" is not a folder");
  EXPECT_THAT(TextOf(CheckFolder(dir.File("missing"))),
              Not(HasSubstr(dir.path())));
}

TEST(CheckFolderTest, NamesAFolderThatMayNotBeRead) {
  const TempDir dir;
  const std::string folder = dir.MakeFolder("closed");
  std::filesystem::permissions(folder, std::filesystem::perms::none);
  // Root may read everything: ask as somebody else.
  const bool is_root = geteuid() == 0;
  ASSERT_TRUE(!is_root || seteuid(65534) == 0);
  const absl::Status status = CheckFolder(folder);
  ASSERT_TRUE(!is_root || seteuid(0) == 0);
  EXPECT_THAT(TextOf(status),
              testing::StartsWith("\"closed\" cannot be read: permission "
                                  "denied; let the user "));
  std::filesystem::permissions(folder, std::filesystem::perms::owner_all);
}

TEST(FolderNameTest, IsTheLastComponent) {
  EXPECT_EQ(FolderName("/a/b"), "b");
  EXPECT_EQ(FolderName("/a/b/"), "b");
  EXPECT_EQ(FolderName("/a/b//"), "b");
  EXPECT_EQ(FolderName("/a/b/."), "b");
  EXPECT_EQ(FolderName("/a/b/.."), "a");
  EXPECT_EQ(FolderName("resnet50@2"), "resnet50@2");
  EXPECT_EQ(FolderName("."), std::filesystem::current_path().filename());
  EXPECT_EQ(FolderName("/"), "");
}

}  // namespace
}  // namespace resnetd
