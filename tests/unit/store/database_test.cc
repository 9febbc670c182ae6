#include "server/store/database.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "server/base/error.h"
#include "tests/support/simulated_disk.h"
#include "tests/support/simulated_vfs.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/store/store_fixture.h"

namespace resnetd {
namespace {

using Access = Database::Access;

class DatabaseTest : public ::testing::Test {
 protected:
  std::unique_ptr<Database> Open(Access access = Access::kReadWrite) {
    return Must(
        Database::Open({.path = folder_.File("db"), .durable = false}, access));
  }
  const TempDir folder_;
};

TEST_F(DatabaseTest, KeepsValuesAsTheyWereBound) {
  const auto database = Open();
  Must(
      database->Execute("CREATE TABLE t(a INTEGER, b TEXT, c INTEGER) STRICT"));
  const std::string text("with \0 and '", 12);
  Must(database->Prepare("INSERT INTO t VALUES(?, ?, ?)")
           .Bind(std::int64_t{-7})
           .Bind(text)
           .Bind(std::optional<std::int64_t>())
           .Run());
  Must(database->Prepare("INSERT INTO t VALUES(?, ?, ?)")
           .Bind(std::int64_t{1} << 62)
           .Bind(absl::string_view())
           .Bind(std::optional<std::int64_t>(5))
           .Run());
  Query query = database->Prepare("SELECT a, b, c FROM t ORDER BY a");
  ASSERT_TRUE(Must(query.Next()));
  EXPECT_EQ(query.Int(0), -7);
  EXPECT_EQ(query.Text(1), text);
  EXPECT_EQ(query.MaybeInt(2), std::nullopt);
  ASSERT_TRUE(Must(query.Next()));
  EXPECT_EQ(query.Int(0), std::int64_t{1} << 62);
  EXPECT_EQ(query.Text(1), "");
  EXPECT_EQ(query.MaybeInt(2), 5);
  EXPECT_FALSE(Must(query.Next()));
}

// 256 KiB are kept of the pages, whatever was written: 2 MiB of rows here.
TEST_F(DatabaseTest, KeepsLittleOfTheFileInMemory) {
  const auto database = Open();
  Must(database->Execute("CREATE TABLE t(a TEXT) STRICT"));
  const std::int64_t before = sqlite3_memory_used();
  const std::string row(1000, 'x');
  for (int i = 0; i < 2000; ++i) {
    Must(database->Prepare("INSERT INTO t VALUES(?)").Bind(row).Run());
  }
  EXPECT_GE(Must(database->ReadInt("SELECT sum(length(a)) FROM t")), 2'000'000);
  EXPECT_LT(sqlite3_memory_used() - before, 512 * 1024);
}

TEST_F(DatabaseTest, AStatementCanBeUsedTwiceAtOnce) {
  const auto database = Open();
  Must(database->Execute("CREATE TABLE t(a INTEGER) STRICT"));
  Must(database->Execute("INSERT INTO t VALUES(1), (2)"));
  Query first = database->Prepare("SELECT a FROM t ORDER BY a");
  ASSERT_TRUE(Must(first.Next()));
  Query second = database->Prepare("SELECT a FROM t ORDER BY a");
  ASSERT_TRUE(Must(second.Next()));
  ASSERT_TRUE(Must(first.Next()));
  EXPECT_EQ(first.Int(0), 2);
  EXPECT_EQ(second.Int(0), 1);
}

TEST_F(DatabaseTest, AWrongStatementIsABugOfOurs) {
  const auto database = Open();
  EXPECT_EQ(database->Execute("NONSENSE").code(), absl::StatusCode::kInternal);
  EXPECT_EQ(database->ExecuteScript("SELECT 1; NONSENSE;").code(),
            absl::StatusCode::kInternal);
  EXPECT_EQ(database->Prepare("SELECT ?").Bind("a").Bind("b").Run().code(),
            absl::StatusCode::kInternal);
  EXPECT_FALSE(database->failed());
}

TEST_F(DatabaseTest, IsDurableByItsSettings) {
  const auto database = Must(
      Database::Open({.path = folder_.File("durable")}, Access::kReadWrite));
  EXPECT_EQ(Must(database->ReadInt("PRAGMA synchronous")), 2);  // FULL.
  EXPECT_EQ(Must(database->ReadInt("PRAGMA foreign_keys")), 1);
  EXPECT_EQ(Must(database->ReadInt("PRAGMA mmap_size")), 0);
  EXPECT_EQ(Must(Open()->ReadInt("PRAGMA synchronous")), 0);  // OFF.
}

TEST_F(DatabaseTest, ATransactionHappensWholeOrNotAtAll) {
  const auto database = Open();
  Must(database->Execute("CREATE TABLE t(a INTEGER) STRICT"));
  {
    const Transaction transaction = Must(Transaction::Begin(*database));
    Must(database->Execute("INSERT INTO t VALUES(1)"));
  }
  EXPECT_EQ(Must(database->ReadInt("SELECT count(*) FROM t")), 0);
  {
    Transaction transaction = Must(Transaction::Begin(*database));
    Must(database->Execute("INSERT INTO t VALUES(1)"));
    Must(transaction.Commit());
  }
  EXPECT_EQ(Must(database->ReadInt("SELECT count(*) FROM t")), 1);
}

TEST_F(DatabaseTest, AReaderSeesCommitsOnlyAndASnapshotStays) {
  const auto writer = Open();
  Must(writer->Execute("CREATE TABLE t(a INTEGER) STRICT"));
  const auto reader = Open(Access::kReadOnly);
  constexpr absl::string_view kCount = "SELECT count(*) FROM t";
  Transaction transaction = Must(Transaction::Begin(*writer));
  Must(writer->Execute("INSERT INTO t VALUES(1)"));
  EXPECT_EQ(Must(reader->ReadInt(kCount)), 0);
  {
    const Snapshot snapshot = Must(Snapshot::Begin(*reader));
    EXPECT_EQ(Must(reader->ReadInt(kCount)), 0);
    Must(transaction.Commit());
    EXPECT_EQ(Must(reader->ReadInt(kCount)), 0);
  }
  EXPECT_EQ(Must(reader->ReadInt(kCount)), 1);
  EXPECT_FALSE(reader->Execute("INSERT INTO t VALUES(2)").ok());
}

TEST_F(DatabaseTest, CopiesTheLogBeyondTheLimitOnly) {
  const auto database = Open();
  Must(database->Execute("CREATE TABLE t(a TEXT) STRICT"));
  const auto bytes = [&] {
    return std::filesystem::file_size(folder_.File("db"));
  };
  const auto before = bytes();
  Must(database->Prepare("INSERT INTO t VALUES(?)")
           .Bind(std::string(100'000, 'x'))
           .Run());
  database->CheckpointBeyond(1000);
  EXPECT_EQ(bytes(), before);
  database->CheckpointBeyond(20);
  EXPECT_GT(bytes(), before + 90'000);
}

TEST_F(DatabaseTest, WhatIsNoDatabaseIsDamage) {
  folder_.Write("db", std::string(4096, 'x'));
  const absl::Status refused =
      Database::Open({.path = folder_.File("db")}, Access::kReadWrite).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(DetailsOf(refused).reason, "STORE_CORRUPT");
}

TEST_F(DatabaseTest, AFolderOrVfsThatIsMissingIsAFailedDisk) {
  EXPECT_EQ(DetailsOf(Database::Open({.path = folder_.File("no/db")},
                                     Access::kReadWrite)
                          .status())
                .reason,
            "STORE_FAILED");
  EXPECT_FALSE(
      Database::Open({.path = "db", .vfs = "no such"}, Access::kReadWrite)
          .ok());
  EXPECT_FALSE(
      Database::Open({.path = folder_.File("db")}, Access::kReadOnly).ok());
}

TEST_F(DatabaseTest, AnEmptyOneIsInMemory) {
  const auto database = Must(Database::OpenEmpty());
  Must(database->Execute("CREATE TABLE t(a INTEGER) STRICT"));
  EXPECT_EQ(Must(database->ReadInt("SELECT count(*) FROM t")), 0);
  EXPECT_EQ(database->ReadInt("SELECT a FROM t").status().code(),
            absl::StatusCode::kNotFound);
}

// What happens with one operation of the disk failing, for each operation of a
// commit in turn.
struct Outcomes {
  bool answered = false;
  bool failed = false;
  std::string reason;
};

Outcomes CommitWithFault(DiskFault::Kind kind, std::int64_t at, bool* struck) {
  SimulatedDisk disk;
  const SimulatedVfs vfs(disk);
  const auto database = Must(
      Database::Open({.path = "db", .vfs = vfs.name()}, Access::kReadWrite));
  Must(database->Execute("CREATE TABLE t(a INTEGER) STRICT"));
  const std::int64_t before = disk.operation_count();
  disk.Plan({.kind = kind, .at = before + at});
  const absl::Status status = database->Execute("INSERT INTO t VALUES(1)");
  *struck = disk.struck();
  return {status.ok(), database->failed(), DetailsOf(status).reason};
}

TEST(DatabaseFaultTest, AFailedDiskIsRememberedAndAFullOneIsNot) {
  int failures = 0;
  for (std::int64_t at = 0;; ++at) {
    bool struck = false;
    const Outcomes failed =
        CommitWithFault(DiskFault::Kind::kFail, at, &struck);
    if (!struck) {
      break;
    }
    ++failures;
    EXPECT_FALSE(failed.answered) << at;
    EXPECT_TRUE(failed.failed) << at;
    EXPECT_EQ(failed.reason, "STORE_FAILED") << at;
  }
  EXPECT_GE(failures, 2);  // At least a write and a sync of the log.
  bool struck = false;
  const Outcomes full = CommitWithFault(DiskFault::Kind::kFull, 0, &struck);
  EXPECT_TRUE(struck);
  EXPECT_FALSE(full.answered);
  EXPECT_FALSE(full.failed);
  EXPECT_EQ(full.reason, "STORAGE_FULL");
}

TEST(DatabaseFaultTest, AFailedCheckpointIsRememberedAndUndoesNothing) {
  SimulatedDisk disk;
  const SimulatedVfs vfs(disk);
  const DatabaseOptions options{.path = "db", .vfs = vfs.name()};
  std::int64_t operations = 0;
  {
    const auto database = Must(Database::Open(options, Access::kReadWrite));
    Must(database->Execute("CREATE TABLE t(a INTEGER) STRICT"));
    Must(database->Execute("INSERT INTO t VALUES(1)"));
    disk.Plan({.kind = DiskFault::Kind::kFail, .at = disk.operation_count()});
    database->CheckpointBeyond(0);
    EXPECT_TRUE(database->failed());
    operations = disk.operation_count();
  }
  // Closing syncs nothing that could not be synced.
  const std::vector<DiskOp> done = disk.operations();
  for (std::size_t i = static_cast<std::size_t>(operations); i < done.size();
       ++i) {
    EXPECT_NE(done[i], DiskOp::kSync);
    EXPECT_NE(done[i], DiskOp::kWrite);
  }
  const auto database = Must(Database::Open(options, Access::kReadWrite));
  EXPECT_EQ(Must(database->ReadInt("SELECT count(*) FROM t")), 1);
}

}  // namespace
}  // namespace resnetd
