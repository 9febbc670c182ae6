#include "server/store/renew_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "server/base/error.h"
#include "tests/support/simulated_disk.h"
#include "tests/support/simulated_file_system.h"

namespace resnetd {
namespace {

using testing::ElementsAre;

constexpr char kLog[] = "meta.db-wal";

class RenewLogTest : public testing::Test {
 protected:
  void Put(const std::string& path, const std::vector<std::uint8_t>& bytes) {
    SimulatedDisk::File file;
    ASSERT_EQ(disk_.Create(path, &file), DiskError::kNone);
    ASSERT_EQ(disk_.Write(file, 0, bytes), DiskError::kNone);
    file_ = file;
  }
  void SyncAll() {
    ASSERT_EQ(disk_.Sync(file_), DiskError::kNone);
    ASSERT_EQ(disk_.SyncFolder(""), DiskError::kNone);
  }
  // What every power cut leaves.
  std::vector<std::uint8_t> Durable() const {
    std::vector<std::uint8_t> bytes = disk_.Crash(0)->Contents(kLog);
    for (std::uint64_t seed = 1; seed < 50; ++seed) {
      EXPECT_EQ(disk_.Crash(seed)->Contents(kLog), bytes) << seed;
    }
    return bytes;
  }

  SimulatedDisk disk_;
  SimulatedFileSystem files_{disk_};
  SimulatedDisk::File file_;
};

TEST_F(RenewLogTest, MakesDurableWhatAFailedSyncLeftInMemory) {
  Put(kLog, {1, 2, 3});
  SyncAll();
  ASSERT_EQ(disk_.Write(file_, 3, std::vector<std::uint8_t>{4, 5}),
            DiskError::kNone);
  disk_.Plan({.kind = DiskFault::Kind::kFail, .at = disk_.operation_count()});
  ASSERT_EQ(disk_.Sync(file_), DiskError::kFailed);
  // The trap: it succeeds, and the bytes are still not there.
  ASSERT_EQ(disk_.Sync(file_), DiskError::kNone);
  ASSERT_THAT(Durable(), ElementsAre(1, 2, 3));
  ASSERT_THAT(disk_.Contents(kLog), ElementsAre(1, 2, 3, 4, 5));
  EXPECT_TRUE(RenewLog(files_, kLog).ok());
  EXPECT_THAT(Durable(), ElementsAre(1, 2, 3, 4, 5));
}

TEST_F(RenewLogTest, CopiesLogsLongerThanAPiece) {
  std::vector<std::uint8_t> bytes((std::size_t{2} << 20U) + 1);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::uint8_t>(i * 7 / 5);
  }
  Put(kLog, bytes);
  EXPECT_TRUE(RenewLog(files_, kLog).ok());
  EXPECT_EQ(disk_.Contents(kLog), bytes);
  EXPECT_THAT(disk_.Files(), ElementsAre(kLog));
}

TEST_F(RenewLogTest, HasNothingToDoWithoutALog) {
  EXPECT_TRUE(RenewLog(files_, kLog).ok());
  EXPECT_TRUE(disk_.Files().empty());
  Put(kLog, {});
  EXPECT_TRUE(RenewLog(files_, kLog).ok());
  EXPECT_THAT(disk_.Files(), ElementsAre(kLog));
}

TEST_F(RenewLogTest, RemovesTheCopyThatACrashLeft) {
  Put("meta.db-wal.new", {9});
  Put(kLog, {1});
  EXPECT_TRUE(RenewLog(files_, kLog).ok());
  EXPECT_THAT(disk_.Files(), ElementsAre(kLog));
  EXPECT_THAT(disk_.Contents(kLog), ElementsAre(1));
}

TEST_F(RenewLogTest, LeavesTheLogAsItIsOnAFullDisk) {
  Put(kLog, {1, 2, 3});
  disk_.set_capacity(4);
  EXPECT_TRUE(RenewLog(files_, kLog).ok());
  EXPECT_THAT(disk_.Files(), ElementsAre(kLog));
  EXPECT_THAT(disk_.Contents(kLog), ElementsAre(1, 2, 3));
}

TEST_F(RenewLogTest, TellsOfAFailingDiskAndLosesNothing) {
  for (std::int64_t at = 0;; ++at) {
    SimulatedDisk disk;
    SimulatedFileSystem files(disk);
    SimulatedDisk::File file;
    ASSERT_EQ(disk.Create(kLog, &file), DiskError::kNone);
    ASSERT_EQ(disk.Write(file, 0, std::vector<std::uint8_t>{1, 2}),
              DiskError::kNone);
    disk.Plan(
        {.kind = DiskFault::Kind::kFail, .at = disk.operation_count() + at});
    const absl::Status status = RenewLog(files, kLog);
    EXPECT_THAT(disk.Contents(kLog), ElementsAre(1, 2)) << at;
    if (!disk.struck()) {
      EXPECT_TRUE(status.ok());
      EXPECT_GE(at, 5) << "remove, create, write, sync, rename, sync folder";
      return;
    }
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << at;
    EXPECT_EQ(DetailsOf(status).reason, "STORE_FAILED") << at;
  }
}

}  // namespace
}  // namespace resnetd
