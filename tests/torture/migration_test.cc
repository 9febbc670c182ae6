// A newer server brings a database to its format and is disturbed at every
// operation: each step of the format is there whole or not at all, and the next
// start goes on from it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/store/database.h"
#include "server/store/schema.h"
#include "tests/support/fake_clock.h"
#include "tests/support/simulated_disk.h"
#include "tests/support/simulated_vfs.h"
#include "tests/torture/simulated_store.h"
#include "tests/torture/store_step.h"

namespace resnetd {
namespace {

// Power cuts at each point.
std::uint64_t Cuts() {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
  return std::getenv("RESNETD_TEST_LONG") != nullptr ? 20 : 4;
}

// The format that is brought forward: the first.
constexpr std::int64_t kOld = 1;
constexpr std::int64_t kToday = 3;
constexpr std::int64_t kTomorrow = 5;

// What a server of tomorrow knows: today's format and two steps more. With
// those from the first format to today's it is four.
std::vector<Migration> TomorrowsMigrations() {
  std::vector<Migration> migrations(Migrations().begin(), Migrations().end());
  migrations.push_back(
      {"CREATE TABLE runs(id INTEGER PRIMARY KEY, state TEXT NOT NULL) STRICT;"
       "INSERT INTO runs SELECT sequence, method FROM audit;"});
  migrations.push_back(
      {"ALTER TABLE runs ADD COLUMN epoch INTEGER NOT NULL DEFAULT 1;"
       "CREATE INDEX runs_by_state ON runs(state);"});
  return migrations;
}

absl::Status MigrateOn(SimulatedDisk& disk) {
  const SimulatedVfs vfs(disk);
  absl::StatusOr<std::unique_ptr<Database>> database = Database::Open(
      {.path = "/meta.db", .vfs = vfs.name()}, Database::Access::kReadWrite);
  return database.ok() ? Migrate(**database, TomorrowsMigrations()).status()
                       : database.status();
}

// What is wrong with the database of a disk that must have `least` steps.
std::string Complaints(SimulatedDisk& disk, std::int64_t least) {
  const SimulatedVfs vfs(disk);
  const auto database = Database::Open({.path = "/meta.db", .vfs = vfs.name()},
                                       Database::Access::kReadWrite);
  if (!database.ok()) {
    return absl::StrCat("opening: ", database.status().ToString());
  }
  const auto format = (*database)->ReadInt("PRAGMA user_version");
  if (!format.ok() || *format < least || *format > kTomorrow) {
    return absl::StrCat("format ", format.value_or(-1), ", not from ", least);
  }
  const std::vector<Migration> all = TomorrowsMigrations();
  const absl::Status schema = CheckSchema(
      **database, absl::MakeSpan(all).first(static_cast<std::size_t>(*format)));
  const absl::Status again = Migrate(**database, all).status();
  const absl::Status whole = CheckSchema(**database, all);
  const auto jobs = (*database)->ReadInt("SELECT count(*) FROM runs");
  if (!schema.ok() || !again.ok() || !whole.ok() || jobs.value_or(0) != 2) {
    return absl::StrCat("format ", *format, ": ", schema.ToString(), ", ",
                        again.ToString(), ", ", whole.ToString(), ", jobs ",
                        jobs.value_or(-1));
  }
  return "";
}

class MigrationTest : public ::testing::TestWithParam<DiskFault> {
 protected:
  void SetUp() override {
    ASSERT_EQ(Migrations().size(), std::size_t{kToday})
        << "tell kToday and TomorrowsMigrations() of the new step";
    const FakeClock clock;
    SimulatedStore store(std::make_unique<SimulatedDisk>(), clock);
    ASSERT_EQ(store.Open(), absl::OkStatus());
    for (const std::uint64_t content : {0U, 1U}) {
      ASSERT_EQ(Do({.content = content}, store.store()), absl::OkStatus());
    }
    store.Close();
    disk_ = store.disk().Kill();
    MakeOld(*disk_);
  }

  // The rows stay: those of the first format are the same today.
  static void MakeOld(SimulatedDisk& disk) {
    const SimulatedVfs vfs(disk);
    const auto database = Database::Open(
        {.path = "/meta.db", .vfs = vfs.name()}, Database::Access::kReadWrite);
    ASSERT_TRUE(database.ok());
    for (const std::string table :
         {"job_samples", "tally", "checkpoints", "job_events", "jobs",
          "uploads", "rejected_examples", "examples", "packs", "datasets"}) {
      ASSERT_EQ((*database)->Execute("DROP TABLE " + table), absl::OkStatus());
    }
    ASSERT_EQ((*database)->Execute(absl::StrCat("PRAGMA user_version=", kOld)),
              absl::OkStatus());
    ASSERT_EQ(CheckSchema(**database, Migrations().first(kOld)),
              absl::OkStatus());
  }

  std::unique_ptr<SimulatedDisk> disk_;
};

TEST_P(MigrationTest, DisturbedAtAnyOperationIsWholeOrNotAtAll) {
  int points = 0;
  for (DiskFault fault = GetParam();; ++fault.at) {
    const std::unique_ptr<SimulatedDisk> disk = disk_->Kill();
    disk->Plan(fault);
    const absl::Status migrated = MigrateOn(*disk);
    if (fault.at >= disk->operation_count()) {
      break;
    }
    points += disk->struck() ? 1 : 0;
    const std::int64_t least = migrated.ok() ? kTomorrow : kOld;
    if (!migrated.ok() && fault.kind != DiskFault::Kind::kDie) {
      EXPECT_EQ(DetailsOf(migrated).reason, fault.kind == DiskFault::Kind::kFull
                                                ? "STORAGE_FULL"
                                                : "STORE_FAILED");
    }
    ASSERT_EQ(Complaints(*disk->Kill(), least), "") << disk->struck_at();
    for (std::uint64_t cut = 0; cut < Cuts(); ++cut) {
      // Of what a cut leaves there are four kinds: each point meets others.
      const std::uint64_t seed =
          Cuts() * static_cast<std::uint64_t>(fault.at) + cut;
      ASSERT_EQ(Complaints(*disk->Crash(seed), least), "")
          << disk->struck_at() << ", seed " << seed;
    }
  }
  EXPECT_GT(points, 10);
}

std::string NameOf(const ::testing::TestParamInfo<DiskFault>& fault) {
  const std::string often = fault.param.lasting ? "FromThenOn" : "Once";
  switch (fault.param.kind) {
    case DiskFault::Kind::kDie:
      return "Dies";
    case DiskFault::Kind::kFull:
      return "Full" + often;
    default:
      return "Fails" + often;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Faults, MigrationTest,
    ::testing::Values(
        DiskFault{.kind = DiskFault::Kind::kDie},
        DiskFault{.kind = DiskFault::Kind::kFull},
        DiskFault{.kind = DiskFault::Kind::kFull, .lasting = true},
        DiskFault{.kind = DiskFault::Kind::kFail},
        DiskFault{.kind = DiskFault::Kind::kFail, .lasting = true}),
    NameOf);

}  // namespace
}  // namespace resnetd
