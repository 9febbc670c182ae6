// What is read of jobs; what changes them is in job_changes_test.cc.
#include "server/store/durable_jobs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "server/base/error.h"
#include "tests/unit/store/dataset_fixture.h"
#include "tests/unit/store/table_fixture.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class DurableJobsTest : public ::testing::Test {
 protected:
  DurableJobsTest() { CreateAnimals(*store_); }
  JobCatalog& jobs() { return store_->jobs(); }
  static std::vector<std::int64_t> Numbers(const std::vector<JobRow>& rows) {
    std::vector<std::int64_t> numbers;
    for (const JobRow& row : rows) {
      numbers.push_back(row.number.value);
    }
    return numbers;
  }
  std::vector<std::int64_t> Events(std::int64_t after, std::size_t limit) {
    std::vector<std::int64_t> sequences;
    for (const auto& row : Must(jobs().ListJobEvents({1}, after, limit))) {
      sequences.push_back(row.sequence);
    }
    return sequences;
  }
  void Sql(absl::string_view sql) {
    const auto database =
        Must(Database::Open({.path = store_.database(), .durable = false},
                            Database::Access::kReadWrite));
    Must(database->Execute(sql));
  }

  OpenedStore store_;
};

TEST_F(DurableJobsTest, ListsTheNewestFirstAndTheOpenOnesOldestFirst) {
  for (int i = 0; i < 4; ++i) {
    CreateJobOver(*store_, "animals");
  }
  EndJob(*store_, {2});
  EXPECT_THAT(Numbers(Must(jobs().ListJobs())), ElementsAre(4, 3, 2, 1));
  EXPECT_THAT(Numbers(Must(jobs().ListOpenJobs())), ElementsAre(1, 3, 4));
  for (const std::int64_t number : {1, 3, 4}) {
    EndJob(*store_, {number});
  }
  EXPECT_THAT(Must(jobs().ListOpenJobs()), IsEmpty());
}

TEST_F(DurableJobsTest, ListsAtMostTheLimitAfterASequence) {
  CreateJobOver(*store_, "animals", std::vector<JobEventRow>(5));
  EXPECT_THAT(Events(0, 4), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(Events(0, 5), ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(Events(0, 6), ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(Events(-3, 1), ElementsAre(1));
  EXPECT_THAT(Events(0, 0), IsEmpty());
  EXPECT_THAT(Events(4, 9), ElementsAre(5));
  EXPECT_THAT(Events(5, 9), IsEmpty());
  EXPECT_THAT(Events(99, 9), IsEmpty());
  EXPECT_THAT(Events(3, std::numeric_limits<std::size_t>::max()),
              ElementsAre(4, 5));
}

TEST_F(DurableJobsTest, WhatIsNotThereIsNotFound) {
  for (const absl::Status& status :
       {jobs().GetJob({7}).status(), jobs().ListJobEvents({7}, 0, 1).status(),
        jobs().ListCheckpoints({7}).status(),
        jobs().ChangeJob({.job = {7}}, std::nullopt).status(),
        jobs().DeleteJob({7}, "", {})}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
    EXPECT_EQ(DetailsOf(status).reason, "JOB_NOT_FOUND");
    EXPECT_EQ(DetailsOf(status).resource->second, "jobs/7");
  }
}

TEST_F(DurableJobsTest, MissingOrDamagedRowsAreNoAnswer) {
  CreateJobOver(*store_, "animals", std::vector<JobEventRow>(5));
  Must(jobs().ChangeJob({.job = {1}, .checkpoint = CheckpointRow{.step = 5}},
                        std::nullopt));
  Sql("UPDATE job_events SET payload = 'x' WHERE sequence = 4");
  EXPECT_THAT(Events(0, 3), ElementsAre(1, 2, 3));
  EXPECT_TRUE(IsDamage(jobs().ListJobEvents({1}, 3, 1).status()));
  Sql("DELETE FROM job_events WHERE sequence = 5");
  EXPECT_TRUE(IsDamage(jobs().ListJobEvents({1}, 4, 1).status()));
  Sql("DELETE FROM checkpoints");
  EXPECT_TRUE(IsDamage(jobs().ListCheckpoints({1}).status()));
  Sql("UPDATE jobs SET state = state + 1");
  EXPECT_TRUE(IsDamage(jobs().GetJob({1}).status()));
  EXPECT_TRUE(IsDamage(jobs().ListJobs().status()));
  EXPECT_TRUE(IsDamage(store_.TryOpen()));
}

}  // namespace
}  // namespace resnetd
