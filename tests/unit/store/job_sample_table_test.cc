#include "server/store/job_sample_table.h"

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

constexpr std::int64_t kEnd = std::numeric_limits<std::int64_t>::max();

class JobSampleTableTest : public TableTest {
 protected:
  void Add(std::int64_t step, JobNumber job = {1}) {
    Must(AddJobSample(*database_, job, {.step = step, .payload = "payload"}));
  }
  std::vector<std::int64_t> Steps(std::int64_t first = 0,
                                  std::int64_t last = kEnd,
                                  JobNumber job = {1}) {
    std::vector<std::int64_t> steps;
    for (const JobSampleRow& row :
         Must(ReadJobSamples(*database_, job, first, last))) {
      EXPECT_EQ(row.payload, "payload");
      steps.push_back(row.step);
    }
    return steps;
  }
};

TEST_F(JobSampleTableTest, GivesBackARangeInOrder) {
  for (const std::int64_t step : {1, 11, 21, 31}) {
    Add(step);
  }
  Add(5, {2});
  EXPECT_THAT(Steps(), ElementsAre(1, 11, 21, 31));
  EXPECT_THAT(Steps(11, 21), ElementsAre(11, 21));
  EXPECT_THAT(Steps(12, 20), IsEmpty());
  EXPECT_EQ(Must(FindOldestJobSample(*database_, {1})).step, 1);
  EXPECT_EQ(Must(FindOldestJobSample(*database_, {3})).ordinal, 0);
  Must(RemoveJobSamples(*database_, {1}));
  EXPECT_THAT(Steps(), IsEmpty());
  EXPECT_THAT(Steps(0, kEnd, {2}), ElementsAre(5));
}

TEST_F(JobSampleTableTest, WhatIsGoneBackFromGoes) {
  for (const std::int64_t step : {1, 11, 21, 31}) {
    Add(step);
  }
  EXPECT_TRUE(Must(RemoveJobSamplesAfter(*database_, {1}, 20)));
  EXPECT_FALSE(Must(RemoveJobSamplesAfter(*database_, {1}, 20)));
  EXPECT_THAT(Steps(), ElementsAre(1, 11));
  Add(21);
  Add(31);
  // A second one of a step replaces it and what came after.
  Add(11);
  EXPECT_THAT(Steps(), ElementsAre(1, 11));
  EXPECT_EQ(Must(ReadJobSamples(*database_, {1}, 11, 11))[0].ordinal, 2);
}

TEST_F(JobSampleTableTest, TheNewestAreKept) {
  for (std::int64_t step = 1; step <= kMaxJobSamples; ++step) {
    Add(step);
  }
  EXPECT_EQ(Must(FindOldestJobSample(*database_, {1})).step, 1);
  Add(kMaxJobSamples + 1);
  Add(kMaxJobSamples + 2);
  const JobSampleRow oldest = Must(FindOldestJobSample(*database_, {1}));
  EXPECT_EQ(oldest.step, 3);
  EXPECT_EQ(oldest.ordinal, 3);
  EXPECT_EQ(Steps().size(), static_cast<std::size_t>(kMaxJobSamples));
}

TEST_F(JobSampleTableTest, EveryChangedColumnIsNoticed) {
  for (const std::string change :
       {"step = 2", "ordinal = 9", "payload = 'x'", "seal = 'x'", "job = 2"}) {
    Sql("SAVEPOINT before");
    Add(1);
    Sql("UPDATE job_samples SET " + change);
    bool is_damage = false;
    for (const JobNumber job : {JobNumber{1}, JobNumber{2}}) {
      is_damage |= IsDamage(ReadJobSamples(*database_, job, 0, kEnd).status());
    }
    EXPECT_TRUE(is_damage) << change;
    Sql("ROLLBACK TO before");
  }
}

TEST_F(JobSampleTableTest, AGapIsNoticed) {
  for (const std::int64_t step : {1, 2, 3}) {
    Add(step);
  }
  Sql("DELETE FROM job_samples WHERE step = 2");
  EXPECT_TRUE(IsDamage(ReadJobSamples(*database_, {1}, 0, kEnd).status()));
}

// Through the catalog.
class JobSamplesTest : public ::testing::Test {
 protected:
  JobSamplesTest() {
    CreateAnimals(*store_);
    CreateJobOver(*store_, "animals");
  }
  JobCatalog& jobs() { return store_->jobs(); }
  JobRow Change(JobChange change) {
    change.job = {1};
    return Must(jobs().ChangeJob(change, std::nullopt));
  }
  std::vector<std::int64_t> Steps() {
    std::vector<std::int64_t> steps;
    for (const JobSampleRow& row :
         Must(jobs().ListJobSamples({1}, 0, kEnd)).rows) {
      steps.push_back(row.step);
    }
    return steps;
  }

  OpenedStore store_;
};

TEST_F(JobSamplesTest, ComeWithAChangeAndSurviveIt) {
  Change(
      {.samples = {{.step = 1, .payload = "a"}, {.step = 11, .payload = "b"}}});
  EXPECT_THAT(Steps(), ElementsAre(1, 11));
  // First the way back, then the new ones.
  Change({.forget_samples_after = 5, .samples = {{.step = 7, .payload = "c"}}});
  EXPECT_THAT(Steps(), ElementsAre(1, 7));
  store_.Close();
  store_.Open();
  EXPECT_TRUE(Must(store_->Verify()).empty());
  const JobSamples samples = Must(jobs().ListJobSamples({1}, 2, 99));
  ASSERT_EQ(samples.rows.size(), 1);
  EXPECT_EQ(samples.rows[0].payload, "c");
  EXPECT_EQ(samples.oldest_step, 1);
  EXPECT_FALSE(samples.has_expired);
}

TEST_F(JobSamplesTest, NothingToForgetIsNoChange) {
  Change({.samples = {{.step = 1, .payload = "a"}}});
  const std::int64_t before = Must(jobs().GetJob({1})).generation;
  EXPECT_EQ(Change({.forget_samples_after = 1}).generation, before);
  EXPECT_EQ(Change({.forget_samples_after = 0}).generation, before + 1);
}

TEST_F(JobSamplesTest, AJobThatIsDoneTakesNoneAndGoesWithThem) {
  Change({.samples = {{.step = 1, .payload = "a"}}});
  EndJob(*store_, {1});
  EXPECT_EQ(DetailsOf(jobs()
                          .ChangeJob({.job = {1},
                                      .samples = {{.step = 2, .payload = "b"}}},
                                     std::nullopt)
                          .status())
                .reason,
            "JOB_STATE");
  EXPECT_THAT(Steps(), ElementsAre(1));
  Must(jobs().DeleteJob({1}, "", {.method = "DeleteJob"}));
  EXPECT_EQ(DetailsOf(jobs().ListJobSamples({1}, 0, kEnd).status()).reason,
            "JOB_NOT_FOUND");
  EXPECT_TRUE(Must(store_->Verify()).empty());
}

}  // namespace
}  // namespace resnetd
