#include "server/store/real_file_system.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "server/base/error.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/store/store_fixture.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::string ContentsOf(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

absl::Status WriteFile(FileSystem& files, const std::string& path,
                       const std::string& text, std::int64_t allocated = 0) {
  auto file = files.Create(path);
  if (!file.ok()) {
    return file.status();
  }
  absl::Status status = (*file)->Allocate(allocated);
  if (status.ok()) {
    status = (*file)->Write(BytesOf(text));
  }
  return status.ok() ? (*file)->Sync() : status;
}

class RealFileSystemTest : public ::testing::Test {
 protected:
  const TempDir folder_;
  const std::unique_ptr<FileSystem> files_ =
      Must(OpenFileSystem(folder_.path()));
};

TEST_F(RealFileSystemTest, WritesAndReadsFiles) {
  ASSERT_TRUE(files_->MakeFolder("a").ok());
  ASSERT_TRUE(WriteFile(*files_, "a/b", "0123456789").ok());
  EXPECT_EQ(ContentsOf(folder_.File("a/b")), "0123456789");
  EXPECT_EQ(Must(files_->SizeOf("a/b")), 10);
  const auto file = Must(files_->Open("a/b"));
  EXPECT_EQ(file->size(), 10);
  std::array<std::uint8_t, 4> bytes{};
  ASSERT_TRUE(file->ReadAt(6, absl::MakeSpan(bytes)).ok());
  EXPECT_EQ(std::string(bytes.begin(), bytes.end()), "6789");
  const absl::Status beyond = file->ReadAt(7, absl::MakeSpan(bytes));
  EXPECT_EQ(beyond.code(), absl::StatusCode::kDataLoss);
}

TEST_F(RealFileSystemTest, RoomThatWasTakenAndNotNeededIsGivenBack) {
  ASSERT_TRUE(WriteFile(*files_, "a", "abc", 8 << 20).ok());
  struct stat facts {};
  ASSERT_EQ(stat(folder_.File("a").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_size, 3);
  EXPECT_LT(facts.st_blocks * 512, 1 << 20);
}

TEST_F(RealFileSystemTest, TakingMoreRoomThanThereIsFailsAtOnce) {
  const auto file = Must(files_->Create("a"));
  const absl::Status full = file->Allocate(std::int64_t{1} << 60);
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(DetailsOf(full).reason, "STORAGE_FULL");
}

TEST_F(RealFileSystemTest, AFileThatMayNotGrowIsAFullDisk) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit small{1000, before.rlim_max};
  signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const absl::Status fits = WriteFile(*files_, "a", std::string(1000, 'x'));
  const absl::Status full = WriteFile(*files_, "b", std::string(1001, 'x'));
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_TRUE(fits.ok()) << fits;
  EXPECT_EQ(DetailsOf(full).reason, "STORAGE_FULL");
}

TEST_F(RealFileSystemTest, NeverLeavesItsFolder) {
  const std::string outside = folder_.MakeFolder("outside");
  folder_.Write("outside/secret", "secret");
  const std::string inside = folder_.MakeFolder("inside");
  ASSERT_EQ(symlink(outside.c_str(), (inside + "/link").c_str()), 0);
  ASSERT_EQ(symlink("../outside/secret", (inside + "/file").c_str()), 0);
  ASSERT_EQ(symlink("/proc/self/root", (inside + "/magic").c_str()), 0);
  const auto files = Must(OpenFileSystem(inside));
  ASSERT_TRUE(WriteFile(*files, "mine", "x").ok());
  for (const std::string path :
       {"../outside/secret", "link/secret", "file", "/etc/passwd",
        "magic/etc/passwd", "x/../../outside/secret", "..", ""}) {
    EXPECT_FALSE(files->Open(path).ok()) << path;
    EXPECT_FALSE(files->Protect(path).ok()) << path;
  }
  for (const std::string path :
       {"../outside/new", "link/new", "magic/tmp/new", "..", "."}) {
    EXPECT_FALSE(files->Create(path).ok()) << path;
    EXPECT_FALSE(files->MakeFolder(path).ok()) << path;
    EXPECT_FALSE(files->Rename("mine", path).ok()) << path;
    EXPECT_FALSE(files->Rename(path, "stolen").ok()) << path;
    EXPECT_FALSE(files->RemoveFolder(path).ok()) << path;
  }
  EXPECT_FALSE(files->Remove("link/secret").ok());
  EXPECT_FALSE(files->Remove("../outside/secret").ok());
  EXPECT_FALSE(files->List("..").ok());
  EXPECT_FALSE(files->List("link").ok());
  EXPECT_FALSE(files->SyncFolder("link").ok());
  EXPECT_EQ(ContentsOf(outside + "/secret"), "secret");
  EXPECT_THAT(Must(Must(OpenFileSystem(outside))->List("")),
              ElementsAre("secret"));
}

TEST_F(RealFileSystemTest, TakesNothingForAFileThatIsNone) {
  ASSERT_EQ(mkfifo(folder_.File("pipe").c_str(), 0600), 0);
  ASSERT_TRUE(files_->MakeFolder("folder").ok());
  EXPECT_FALSE(files_->Open("pipe").ok());
  EXPECT_FALSE(files_->Open("folder").ok());
  EXPECT_FALSE(files_->SizeOf("pipe").ok());
  EXPECT_FALSE(files_->List("pipe").ok());
  EXPECT_FALSE(files_->MakeFolder("pipe").ok());
}

TEST_F(RealFileSystemTest, SaysWhatIsThereAndWhatIsNot) {
  EXPECT_EQ(files_->Open("a").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(files_->SizeOf("a").status().code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(WriteFile(*files_, "a", "1").ok());
  EXPECT_EQ(files_->Create("a").status().code(),
            absl::StatusCode::kAlreadyExists);
  EXPECT_TRUE(files_->Remove("a").ok());
  EXPECT_TRUE(files_->Remove("a").ok());
  EXPECT_TRUE(files_->MakeFolder("f").ok());
  EXPECT_TRUE(files_->MakeFolder("f").ok());
  EXPECT_TRUE(files_->RemoveFolder("f").ok());
  EXPECT_TRUE(files_->RemoveFolder("f").ok());
  EXPECT_FALSE(files_->MakeFolder("x/y").ok());
}

TEST_F(RealFileSystemTest, ListsInOrderWithFoldersMarked) {
  ASSERT_TRUE(files_->MakeFolder("b").ok());
  ASSERT_TRUE(WriteFile(*files_, "c", "").ok());
  ASSERT_TRUE(WriteFile(*files_, "a", "").ok());
  EXPECT_THAT(Must(files_->List("")), ElementsAre("a", "b/", "c"));
  EXPECT_THAT(Must(files_->List("b")), ElementsAre());
  EXPECT_FALSE(files_->List("missing").ok());
}

TEST_F(RealFileSystemTest, RenamingReplaces) {
  ASSERT_TRUE(files_->MakeFolder("f").ok());
  ASSERT_TRUE(WriteFile(*files_, "a", "new").ok());
  ASSERT_TRUE(WriteFile(*files_, "f/b", "old").ok());
  ASSERT_TRUE(files_->Rename("a", "f/b").ok());
  EXPECT_EQ(ContentsOf(folder_.File("f/b")), "new");
  EXPECT_FALSE(files_->Rename("a", "f/b").ok());
  EXPECT_TRUE(files_->SyncFolder("f").ok());
  EXPECT_FALSE(files_->SyncFolder("missing").ok());
}

TEST_F(RealFileSystemTest, ProtectedMeansReadOnlyForAll) {
  ASSERT_TRUE(WriteFile(*files_, "a", "x").ok());
  ASSERT_TRUE(files_->Protect("a").ok());
  struct stat facts {};
  ASSERT_EQ(stat(folder_.File("a").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777U, 0440U);
}

TEST_F(RealFileSystemTest, KnowsTheRoomThatIsLeft) {
  EXPECT_GT(Must(files_->FreeBytes()), 0);
}

TEST(OpenFileSystemTest, RefusesWhatIsNoFolder) {
  const TempDir folder;
  for (const std::string& path :
       {folder.File("missing"), folder.Write("file", "x")}) {
    const absl::Status refused = OpenFileSystem(path).status();
    EXPECT_EQ(DetailsOf(refused).reason, "STORE_UNUSABLE");
    EXPECT_THAT(std::string(refused.message()), HasSubstr(path));
  }
}

TEST(DiskErrorTest, TellsAFullDiskFromAFailedOneAndNamesNoPath) {
  for (const int code : {ENOSPC, EDQUOT, EFBIG}) {
    EXPECT_EQ(DetailsOf(DiskError(code, "x")).reason, "STORAGE_FULL");
    EXPECT_EQ(DiskError(code, "x").code(),
              absl::StatusCode::kResourceExhausted);
  }
  for (const int code : {EIO, EROFS, EACCES, EMFILE, 9999}) {
    EXPECT_EQ(DetailsOf(DiskError(code, "x")).reason, "STORE_FAILED");
    EXPECT_EQ(DiskError(code, "x").code(), absl::StatusCode::kUnavailable);
  }
  EXPECT_THAT(std::string(DiskError(EIO, "a file was read").message()),
              ::testing::AllOf(HasSubstr("EIO"), Not(HasSubstr("/"))));
}

}  // namespace
}  // namespace resnetd
