#include "server/store/job_table.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server/store/checkpoint_table.h"
#include "server/store/job_event_table.h"
#include "tests/unit/store/dataset_fixture.h"
#include "tests/unit/store/table_fixture.h"

namespace resnetd {
namespace {

class JobTableTest : public TableTest {
 protected:
  static JobRecord Record(std::int64_t number, bool is_done = false) {
    return {.row = {.number = {number},
                    .state = 4,
                    .is_done = is_done,
                    .spec = "spec",
                    .status = "status",
                    .dataset = Dataset("animals"),
                    .generation = 5,
                    .last_event = 8,
                    .created = WallTime(std::chrono::microseconds(6)),
                    .updated = WallTime(std::chrono::microseconds(7))},
            .checkpoints = 9};
  }
  std::vector<std::int64_t> Numbers(WhichJobs which) {
    std::vector<std::int64_t> numbers;
    for (const JobRecord& record : Must(ListJobRecords(*database_, which))) {
      numbers.push_back(record.row.number.value);
    }
    return numbers;
  }
};

TEST_F(JobTableTest, GivesBackWhatWasWritten) {
  Must(WriteJob(*database_, Record(3)));
  const JobRecord got = *Must(FindJob(*database_, {3}));
  EXPECT_EQ(got.row.number, JobNumber{3});
  EXPECT_EQ(got.row.state, 4);
  EXPECT_FALSE(got.row.is_done);
  EXPECT_EQ(got.row.spec, "spec");
  EXPECT_EQ(got.row.status, "status");
  EXPECT_EQ(got.row.dataset, Dataset("animals"));
  EXPECT_EQ(got.row.generation, 5);
  EXPECT_EQ(got.row.created, WallTime(std::chrono::microseconds(6)));
  EXPECT_EQ(got.row.updated, WallTime(std::chrono::microseconds(7)));
  EXPECT_EQ(got.row.last_event, 8);
  EXPECT_EQ(got.checkpoints, 9);
  EXPECT_FALSE(Must(FindJob(*database_, {4})));
}

TEST_F(JobTableTest, WritesAllThatChanges) {
  Must(WriteJob(*database_, Record(3)));
  JobRecord record = Record(3, true);
  record.row.state = 40;
  record.row.status = "other";
  record.row.generation = 50;
  record.row.updated = WallTime(std::chrono::microseconds(70));
  record.row.last_event = 80;
  record.checkpoints = 90;
  Must(WriteJob(*database_, record));
  const JobRecord got = *Must(FindJob(*database_, {3}));
  EXPECT_EQ(got.row.state, 40);
  EXPECT_TRUE(got.row.is_done);
  EXPECT_EQ(got.row.status, "other");
  EXPECT_EQ(got.row.generation, 50);
  EXPECT_EQ(got.row.updated, WallTime(std::chrono::microseconds(70)));
  EXPECT_EQ(got.row.last_event, 80);
  EXPECT_EQ(got.checkpoints, 90);
}

TEST_F(JobTableTest, ListsAllOrThoseThatAreNotDone) {
  Must(WriteJob(*database_, Record(2, true)));
  Must(WriteJob(*database_, Record(3)));
  Must(WriteJob(*database_, Record(1)));
  EXPECT_EQ(Numbers(WhichJobs::kAll), (std::vector<std::int64_t>{1, 2, 3}));
  EXPECT_EQ(Numbers(WhichJobs::kOpen), (std::vector<std::int64_t>{1, 3}));
  EXPECT_EQ(Must(CountJobs(*database_)), 3);
  Must(RemoveJob(*database_, {1}));
  EXPECT_EQ(Numbers(WhichJobs::kOpen), (std::vector<std::int64_t>{3}));
}

TEST_F(JobTableTest, CountsTheOpenJobsOfACreator) {
  for (const std::int64_t job : {1, 2, 3, 4}) {
    Must(WriteJob(*database_, Record(job, job == 4)));
  }
  Must(WriteJobCreator(*database_, {1}, "ann"));
  Must(WriteJobCreator(*database_, {3}, "bob"));
  Must(WriteJobCreator(*database_, {4}, "ann"));
  const auto count = [this](const char* creator) {
    const OpenJobs open = Must(CountOpenJobs(*database_, creator));
    EXPECT_EQ(open.all, 3);
    return open.of_creator;
  };
  EXPECT_EQ(count("ann"), 1);
  EXPECT_EQ(count("bob"), 1);
  EXPECT_EQ(count("an"), 0);
  // Job 2 is nobody's.
  EXPECT_EQ(count(""), 0);
}

TEST_F(JobTableTest, TheCreatorGoesWithTheJob) {
  Must(WriteJob(*database_, Record(1)));
  Must(WriteJobCreator(*database_, {1}, "ann"));
  Must(RemoveJob(*database_, {1}));
  Must(WriteJob(*database_, Record(1)));
  EXPECT_EQ(Must(CountOpenJobs(*database_, "ann")).of_creator, 0);
  EXPECT_EQ(Must(database_->ReadInt("SELECT count(*) FROM notes")), 0);
}

TEST_F(JobTableTest, ADamagedCreatorIsNoticed) {
  Must(WriteJob(*database_, Record(1)));
  Must(WriteJobCreator(*database_, {1}, "ann"));
  Sql("UPDATE notes SET value = 'bob'");
  EXPECT_TRUE(IsDamage(CountOpenJobs(*database_, "ann").status()));
}

TEST_F(JobTableTest, EveryChangedColumnIsNoticed) {
  for (const std::string change :
       {"job = 9", "state = 9", "is_done = 1", "spec = 'x'", "status = 'x'",
        "dataset = 'x'", "dataset = 'NOT A NAME'", "generation = 9",
        "events = 9", "checkpoints = 8", "created_us = 9", "updated_us = 9",
        "seal = 'x'"}) {
    Sql("SAVEPOINT before");
    Must(WriteJob(*database_, Record(1)));
    Sql("UPDATE jobs SET " + change);
    EXPECT_TRUE(IsDamage(ListJobRecords(*database_, WhichJobs::kAll).status()))
        << change;
    Sql("ROLLBACK TO before");
  }
}

TEST_F(JobTableTest, TheCheckFindsWhatIsMissing) {
  JobRecord record = Record(1);
  record.row.last_event = 2;
  record.checkpoints = 1;
  Must(WriteJob(*database_, record));
  for (const std::int64_t sequence : {1, 2}) {
    Must(InsertJobEvent(*database_, {1}, {.sequence = sequence}));
  }
  Must(WriteCheckpoint(*database_, {1}, {.step = 10}));
  const Tally tally{.datasets = 0, .jobs = 1, .last_job = 4};
  EXPECT_TRUE(CheckJobTables(*database_, tally).ok());
  for (const std::string damage :
       {"DELETE FROM jobs", "DELETE FROM job_events WHERE sequence = 2",
        "DELETE FROM checkpoints", "UPDATE checkpoints SET step = 11",
        "UPDATE jobs SET state = 5"}) {
    Sql("SAVEPOINT before");
    Sql(damage);
    EXPECT_TRUE(IsDamage(CheckJobTables(*database_, tally))) << damage;
    Sql("ROLLBACK TO before");
  }
  EXPECT_TRUE(IsDamage(CheckJobTables(*database_, {.jobs = 2, .last_job = 4})));
  EXPECT_TRUE(IsDamage(CheckJobTables(*database_, {.jobs = 1, .last_job = 0})));
}

}  // namespace
}  // namespace resnetd
