// SQLite over the simulated disk: synchronous=FULL loses nothing, and settings
// that promise less are caught losing.
#include "tests/support/simulated_vfs.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "tests/support/seeded_random.h"

namespace resnetd {
namespace {

// One connection, closed at the end. Not thread-safe.
class Connection {
 public:
  explicit Connection(const SimulatedVfs& vfs) {
    opened_ = sqlite3_open_v2("db", &database_,
                              SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                              vfs.name().c_str());
  }
  ~Connection() { sqlite3_close(database_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // SQLite's code; SQLITE_OK is 0.
  int Run(const std::string& sql) {
    return opened_ != SQLITE_OK ? opened_
                                : sqlite3_exec(database_, sql.c_str(), nullptr,
                                               nullptr, nullptr);
  }
  // The first column of the first row, or what went wrong.
  std::string Ask(const std::string& sql) {
    std::string answer = "no answer";
    const auto take = [](void* to, int, char** values, char**) {
      *static_cast<std::string*>(to) = values[0] == nullptr ? "" : values[0];
      return 1;
    };
    if (opened_ == SQLITE_OK) {
      sqlite3_exec(database_, sql.c_str(), take, &answer, nullptr);
    }
    return answer;
  }

 private:
  sqlite3* database_ = nullptr;
  int opened_ = SQLITE_ERROR;
};

struct Outcome {
  int schedules = 0;
  int lost = 0;
  int damaged = 0;
  int invented = 0;
};

constexpr int kRows = 12;

// Inserts rows until the process dies; the number of acknowledged ones.
int InsertRows(const std::string& pragmas, SimulatedDisk& disk) {
  const SimulatedVfs vfs(disk);
  Connection connection(vfs);
  if (connection.Run(pragmas) != SQLITE_OK ||
      connection.Run("CREATE TABLE t(id INTEGER PRIMARY KEY, x)") !=
          SQLITE_OK) {
    return 0;
  }
  // Rows of a page and more, checkpoints after every few.
  int acknowledged = 0;
  while (acknowledged < kRows &&
         connection.Run(absl::StrCat("INSERT INTO t VALUES(", acknowledged + 1,
                                     ", randomblob(3000))")) == SQLITE_OK) {
    ++acknowledged;
  }
  return acknowledged;
}

void Judge(int acknowledged, SimulatedDisk& disk, Outcome* outcome) {
  const SimulatedVfs vfs(disk);
  Connection connection(vfs);
  ++outcome->schedules;
  outcome->damaged += connection.Ask("PRAGMA integrity_check") == "ok" ? 0 : 1;
  const std::string rows = connection.Ask("SELECT count(*) FROM t");
  const int count = rows == "no answer" ? 0 : std::atoi(rows.c_str());
  outcome->lost += count < acknowledged ? 1 : 0;
  outcome->invented += count > acknowledged + 1 ? 1 : 0;
}

// Dies at every `stride`-th operation, with power cuts of some seeds at each.
Outcome Torture(const std::string& pragmas, std::int64_t stride,
                std::uint64_t seeds) {
  Outcome outcome;
  bool died = true;
  for (std::int64_t at = 0; died; at += stride) {
    SimulatedDisk disk;
    disk.Plan({.kind = DiskFault::Kind::kDie, .at = at});
    const int acknowledged = InsertRows(pragmas, disk);
    died = disk.dead();
    for (std::uint64_t seed = 0; seed < seeds; ++seed) {
      const auto after = disk.Crash(SeededRandom::Mix(seed + 1) ^
                                    static_cast<std::uint64_t>(at));
      Judge(acknowledged, *after, &outcome);
    }
    Judge(acknowledged, *disk.Kill(), &outcome);
  }
  return outcome;
}

TEST(SimulatedVfsTest, FullSyncWithALogLosesNothing) {
  const Outcome outcome = Torture(
      "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; "
      "PRAGMA wal_autocheckpoint=5",
      1, 12);
  EXPECT_GT(outcome.schedules, 1'000);
  EXPECT_EQ(outcome.lost, 0);
  EXPECT_EQ(outcome.damaged, 0);
  EXPECT_EQ(outcome.invented, 0);
}

TEST(SimulatedVfsTest, FullSyncWithAJournalLosesNothing) {
  // EXTRA: the removal of the journal is the commit, and is synced, too.
  const Outcome outcome =
      Torture("PRAGMA journal_mode=DELETE; PRAGMA synchronous=EXTRA", 1, 12);
  EXPECT_GT(outcome.schedules, 1'000);
  EXPECT_EQ(outcome.lost, 0);
  EXPECT_EQ(outcome.damaged, 0);
  EXPECT_EQ(outcome.invented, 0);
}

TEST(SimulatedVfsTest, SyncOnlyAtCheckpointsIsCaughtLosingRows) {
  const Outcome outcome = Torture(
      "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; "
      "PRAGMA wal_autocheckpoint=5",
      3, 12);
  EXPECT_GT(outcome.lost, 20);
  // It promises to stay whole all the same.
  EXPECT_EQ(outcome.damaged, 0);
}

TEST(SimulatedVfsTest, NoSyncIsCaughtLosingRowsAndDamagingTheDatabase) {
  for (const std::string journal : {"WAL", "DELETE"}) {
    const Outcome outcome = Torture(
        absl::StrCat("PRAGMA journal_mode=", journal,
                     "; PRAGMA synchronous=OFF; PRAGMA wal_autocheckpoint=5"),
        3, 12);
    EXPECT_GT(outcome.lost, 20) << journal;
    EXPECT_GT(outcome.damaged, 20) << journal;
  }
}

TEST(SimulatedVfsTest, AKilledProcessLosesNothingEvenWithoutSync) {
  const Outcome outcome =
      Torture("PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF", 1, 0);
  EXPECT_GT(outcome.schedules, 50);
  EXPECT_EQ(outcome.lost, 0);
  EXPECT_EQ(outcome.damaged, 0);
}

TEST(SimulatedVfsTest, TwoConnectionsLockEachOtherOut) {
  for (const std::string journal : {"WAL", "DELETE"}) {
    SimulatedDisk disk;
    const SimulatedVfs vfs(disk);
    Connection one(vfs);
    Connection two(vfs);
    ASSERT_EQ(one.Run(absl::StrCat("PRAGMA journal_mode=", journal,
                                   "; CREATE TABLE t(x)")),
              SQLITE_OK);
    ASSERT_EQ(one.Run("BEGIN IMMEDIATE; INSERT INTO t VALUES(1)"), SQLITE_OK);
    EXPECT_EQ(two.Run("BEGIN IMMEDIATE"), SQLITE_BUSY);
    EXPECT_EQ(two.Ask("SELECT count(*) FROM t"), "0");
    EXPECT_EQ(one.Run("COMMIT"), SQLITE_OK);
    EXPECT_EQ(two.Ask("SELECT count(*) FROM t"), "1");
    EXPECT_EQ(two.Run("INSERT INTO t VALUES(2)"), SQLITE_OK);
    EXPECT_EQ(one.Ask("SELECT count(*) FROM t"), "2");
  }
}

TEST(SimulatedVfsTest, FullAndFailingDisksAreSaidSo) {
  SimulatedDisk disk;
  const SimulatedVfs vfs(disk);
  Connection connection(vfs);
  ASSERT_EQ(connection.Run("PRAGMA journal_mode=WAL; CREATE TABLE t(x)"),
            SQLITE_OK);
  disk.Plan({.kind = DiskFault::Kind::kFull, .lasting = true});
  EXPECT_EQ(connection.Run("INSERT INTO t VALUES(1)"), SQLITE_FULL);
  disk.Plan({.kind = DiskFault::Kind::kFail, .lasting = true});
  EXPECT_EQ(connection.Run("INSERT INTO t VALUES(1)"), SQLITE_IOERR);
  disk.Plan({});
  EXPECT_EQ(connection.Run("INSERT INTO t VALUES(1)"), SQLITE_OK);
  EXPECT_EQ(connection.Ask("SELECT count(*) FROM t"), "1");
}

}  // namespace
}  // namespace resnetd
