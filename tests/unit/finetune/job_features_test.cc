// Jobs whose frozen layers are computed once.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "tests/support/fake_features.h"
#include "tests/unit/finetune/job_manager_fixture.h"

namespace resnetd {
namespace {

using ::testing::HasSubstr;

// Jobs that train the head alone, with a beginning of the network that counts
// what it computes. The scripted trainer learns the same from a picture and
// from its features.
class JobFeaturesTest : public JobManagerTest {
 protected:
  void SetUp() override {
    JobManagerTest::SetUp();
    ASSERT_TRUE(jobs_->Start().ok());
    const Job whole = AwaitEnd(Create(HeadSpec()));
    ASSERT_EQ(whole.status.state, JobState::kSucceeded);
    expected_ = WeightsOf(*whole.status.result);
    features_ = &loader_of_features_;
    Restart();
    ASSERT_TRUE(jobs_->Start().ok());
  }

  JobSpec HeadSpec() {
    JobSpec spec = Spec();
    spec.recipe.layers = LayerPolicy::kHead;
    // 20 steps show each of the 120 pictures.
    spec.recipe.batch_size = 8;
    spec.display_name = absl::StrCat("job ", ++named_);
    return spec;
  }
  void ExpectTheSame(const Job& job) {
    ASSERT_EQ(job.status.state, JobState::kSucceeded)
        << (job.status.error ? job.status.error->text : "");
    EXPECT_EQ(WeightsOf(*job.status.result), expected_);
  }
  std::string Told(JobNumber number) {
    const auto lines = EventsOf<LogLine>(number);
    return lines.empty() ? "" : lines[0].text;
  }

  FakeFeatureLoader loader_of_features_;
  Digest expected_;
  int named_ = 0;
};

TEST_F(JobFeaturesTest, AreComputedOnceAndGiveTheSameWeights) {
  const JobNumber number = Create(HeadSpec());
  ExpectTheSame(AwaitEnd(number));
  // Those to train on and those to validate with.
  EXPECT_EQ(loader_of_features_.pictures(), 120);
  EXPECT_EQ(loader_of_features_.stages(), 3);
  EXPECT_THAT(Told(number),
              HasSubstr("of the 120 pictures was computed once: 0.0 MiB"));
}

TEST_F(JobFeaturesTest, AreComputedAgainWhereThereIsNoRoom) {
  options_.max_feature_bytes = 50 * 12;
  Restart();
  ASSERT_TRUE(jobs_->Start().ok());
  const JobNumber number = Create(HeadSpec());
  ExpectTheSame(AwaitEnd(number));
  EXPECT_GT(loader_of_features_.pictures(), 120);
  EXPECT_THAT(Told(number), HasSubstr("there is no room for 70 of them"));
}

// In bfloat16 the trainer is faster than the engine.
TEST_F(JobFeaturesTest, AreLeftToATrainerInBfloat16WhereThereIsLittleRoom) {
  options_.max_feature_bytes = 1000;
  Restart();
  ASSERT_TRUE(jobs_->Start().ok());
  JobSpec spec = HeadSpec();
  spec.recipe.precision = TrainingPrecision::kBf16;
  ExpectTheSame(AwaitEnd(Create(spec)));
  EXPECT_EQ(loader_of_features_.stages(), -1);
  EXPECT_EQ(loader_of_features_.pictures(), 0);

  options_.max_feature_bytes = 1 << 20;
  Restart();
  ASSERT_TRUE(jobs_->Start().ok());
  spec.display_name = "with more room";
  ExpectTheSame(AwaitEnd(Create(spec)));
  EXPECT_EQ(loader_of_features_.stages(), 3);
}

TEST_F(JobFeaturesTest, AreNotUsedForPicturesThatAreVaried) {
  JobSpec spec = HeadSpec();
  spec.recipe.least_scale = 0.5;
  AwaitEnd(Create(spec));
  EXPECT_EQ(loader_of_features_.stages(), -1);
}

TEST_F(JobFeaturesTest, APausedJobGoesOnBitForBit) {
  trainers_.script.fail = [this, at = trainers_.calls() + 7](int call) {
    if (call == at) {
      EXPECT_TRUE(jobs_->CallJob({2}, JobCall::kPause, "", Asked()).ok());
    }
    return absl::OkStatus();
  };
  const JobNumber number = Create(HeadSpec());
  ASSERT_EQ(AwaitEnd(number).status.state, JobState::kPaused);
  ASSERT_TRUE(jobs_->CallJob(number, JobCall::kResume, "", Asked()).ok());
  ExpectTheSame(
      Await(number, [](const Job& job) { return IsDone(job.status.state); }));
  EXPECT_EQ(loader_of_features_.pictures(), 240);
}

TEST_F(JobFeaturesTest, AJobCanBePausedAndCancelledWhileTheyAreComputed) {
  // Every batch of 64 is one call.
  loader_of_features_.on_batch = [this](int batch) {
    if (batch == 0 || batch == 1) {
      const JobCall call = batch == 0 ? JobCall::kPause : JobCall::kCancel;
      EXPECT_TRUE(jobs_->CallJob({2}, call, "", Asked()).ok());
    }
    return absl::OkStatus();
  };
  const JobNumber number = Create(HeadSpec());
  EXPECT_EQ(AwaitEnd(number).status.state, JobState::kPaused);
  ASSERT_TRUE(jobs_->CallJob(number, JobCall::kResume, "", Asked()).ok());
  const Job ended =
      Await(number, [](const Job& job) { return IsDone(job.status.state); });
  EXPECT_EQ(ended.status.state, JobState::kCancelled);
}

TEST_F(JobFeaturesTest, WhatCannotBeComputedFailsTheJob) {
  loader_of_features_.on_batch = [](int) -> absl::Status {
    return Error(absl::StatusCode::kResourceExhausted, Reason::kOutOfMemory,
                 "no memory for a batch");
  };
  const Job job = AwaitEnd(Create(HeadSpec()));
  EXPECT_EQ(job.status.state, JobState::kFailed);
  EXPECT_EQ(job.status.error->reason, "OUT_OF_MEMORY");
}

}  // namespace
}  // namespace resnetd
