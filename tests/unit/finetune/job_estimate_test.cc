// What a job would cost.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "server/base/thread.h"
#include "tests/unit/finetune/job_manager_fixture.h"

namespace resnetd {
namespace {

using ::testing::Contains;
using ::testing::IsEmpty;
using ::testing::Pair;

class JobEstimateTest : public JobManagerTest {};

TEST_F(JobEstimateTest, TellsStepsTimeAndMemoryAndKeepsNothing) {
  ASSERT_TRUE(jobs_->Start().ok());
  const JobEstimate estimate = Must(jobs_->EstimateJob(Spec(200)));
  EXPECT_EQ(estimate.steps, 200);
  EXPECT_EQ(estimate.recipe.phases.size(), 2U) << "few pictures: few-shot";
  EXPECT_EQ(estimate.measured_steps, 4) << "two of each phase";
  EXPECT_EQ(trainers_.calls(), 6) << "and one before them that does not count";
  EXPECT_GT(estimate.low, Duration::zero());
  EXPECT_GE(estimate.high, estimate.low);
  EXPECT_GT(estimate.peak_bytes, 0);
  EXPECT_GT(estimate.free_bytes, 0);
  EXPECT_THAT(Must(jobs_->ListJobs()), IsEmpty());
  EXPECT_EQ(Must(models_->ListVersions(Named("tiny"))).size(), 1U);
}

// For its memory: once in each of two phases.
TEST_F(JobEstimateTest, ObservesAStepWhereTheJobIsObserved) {
  ASSERT_TRUE(jobs_->Start().ok());
  int observed = 0;
  trainers_.script.sample = [&observed](int /*call*/) {
    ++observed;
    return GradientSample();
  };
  Must(jobs_->EstimateJob(Spec(200)));
  EXPECT_EQ(observed, 2);
  JobSpec blind = Spec(200);
  blind.observation.probe_every = 0;
  Must(jobs_->EstimateJob(blind));
  EXPECT_EQ(observed, 2);
}

TEST_F(JobEstimateTest, MoreStepsTakeLonger) {
  ASSERT_TRUE(jobs_->Start().ok());
  const JobEstimate few = Must(jobs_->EstimateJob(Spec(100)));
  const JobEstimate many = Must(jobs_->EstimateJob(Spec(100'000)));
  EXPECT_GT(many.low, few.high);
}

TEST_F(JobEstimateTest, RefusesWhatAJobWouldBeRefusedFor) {
  JobSpec spec = Spec();
  spec.dataset = DatasetName::Parse("nothing").value();
  EXPECT_EQ(ReasonOf(jobs_->EstimateJob(spec).status()), "DATASET_NOT_FOUND");
  spec = Spec();
  spec.recipe.rate = -1;
  EXPECT_EQ(ReasonOf(jobs_->EstimateJob(spec).status()), "RECIPE_INVALID");
}

TEST_F(JobEstimateTest, IsRefusedBesideAJobAndAJobWaitsForIt) {
  ASSERT_TRUE(jobs_->Start().ok());
  // From a step of the running job.
  absl::Status beside;
  trainers_.script.fail = [&](int call) {
    if (call == 2) {
      beside = jobs_->EstimateJob(Spec()).status();
    }
    return absl::OkStatus();
  };
  AwaitEnd(Create(Spec()));
  EXPECT_EQ(beside.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOf(beside), "OVERLOADED");
  EXPECT_THAT(DetailsOf(beside).metadata, Contains(Pair("job", "jobs/1")));
  // A job that is queued in the middle of an estimate.
  const int first = trainers_.calls();
  JobNumber queued;
  JobState seen = JobState::kCreated;
  absl::Status second;
  trainers_.script.fail = [&](int call) {
    if (call == first) {
      queued = Create(Spec());
      second = jobs_->EstimateJob(Spec()).status();
    } else if (call == first + 2) {
      seen = Must(jobs_->GetJob(queued)).status.state;
    }
    return absl::OkStatus();
  };
  Must(jobs_->EstimateJob(Spec()));
  EXPECT_EQ(seen, JobState::kQueued);
  EXPECT_EQ(ReasonOf(second), "OVERLOADED");
  EXPECT_EQ(AwaitEnd(queued).status.state, JobState::kSucceeded);
}

TEST_F(JobEstimateTest, EndsWhenTheServerStops) {
  ASSERT_TRUE(jobs_->Start().ok());
  trainers_.script.fail = [&](int) {
    jobs_->Stop();
    return absl::OkStatus();
  };
  EXPECT_EQ(ReasonOf(jobs_->EstimateJob(Spec()).status()), "DRAINING");
  EXPECT_EQ(ReasonOf(jobs_->EstimateJob(Spec()).status()), "DRAINING");
}

TEST_F(JobEstimateTest, AFailingStepIsTheAnswer) {
  ASSERT_TRUE(jobs_->Start().ok());
  trainers_.script.fail = [](int) -> absl::Status {
    return Error(absl::StatusCode::kResourceExhausted, Reason::kOutOfMemory,
                 "no memory to train");
  };
  EXPECT_EQ(ReasonOf(jobs_->EstimateJob(Spec()).status()), "OUT_OF_MEMORY");
  trainers_.script.fail = nullptr;
  // And the jobs go on.
  EXPECT_EQ(AwaitEnd(Create(Spec())).status.state, JobState::kSucceeded);
}

}  // namespace
}  // namespace resnetd
