// Memory and time that jobs may take.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "server/base/error.h"
#include "server/finetune/job_json.h"
#include "server/finetune/job_rules.h"
#include "tests/unit/finetune/job_manager_fixture.h"

namespace resnetd {
namespace {

using ::testing::HasSubstr;

class JobManagerLimitsTest : public JobManagerTest {};

TEST_F(JobManagerLimitsTest, WhatNeedsMoreMemoryThanThereIsIsRefused) {
  options_.memory = [] { return SystemMemory{.total = 1000, .free = 1000}; };
  Restart();
  const absl::Status status =
      jobs_->CreateJob(Spec(), false, false, Asked()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOf(status), "OUT_OF_MEMORY");
}

TEST_F(JobManagerLimitsTest, WhatNeedsMoreThanIsFreeWhenItBeginsFails) {
  options_.memory = [] {
    return SystemMemory{.total = std::int64_t{1} << 40U, .free = 1000};
  };
  Restart();
  ASSERT_TRUE(jobs_->Start().ok());
  const Job job = AwaitEnd(Create(Spec()));
  EXPECT_EQ(job.status.state, JobState::kFailed);
  EXPECT_EQ(job.status.error->reason, "OUT_OF_MEMORY");
  EXPECT_THAT(job.status.error->text, HasSubstr("MiB are there"));
  EXPECT_EQ(ReasonOf(jobs_->EstimateJob(Spec()).status()), "OUT_OF_MEMORY");
}

TEST_F(JobManagerLimitsTest, ADeviceThatBreaksLeavesTheJobToTheNextStart) {
  ASSERT_TRUE(jobs_->Start().ok());
  Bell broke;
  trainers_.script.fail = [&](int call) -> absl::Status {
    if (call < 6) {
      return absl::OkStatus();
    }
    broke.Ring();
    return Error(absl::StatusCode::kUnavailable, Reason::kBackendUnavailable,
                 "the device failed");
  };
  const JobNumber number = Create(Spec());
  broke.Await();
  Restart();
  EXPECT_EQ(Must(jobs_->GetJob(number)).status.state, JobState::kRunning);
  trainers_.script.fail = nullptr;
  ASSERT_TRUE(jobs_->Start().ok());
  const Job done = AwaitEnd(number);
  EXPECT_EQ(done.status.state, JobState::kSucceeded);
  EXPECT_EQ(done.status.attempt, 2);
}

TEST_F(JobManagerLimitsTest, AJobUnderWhichTheDeviceKeepsBreakingFails) {
  std::array<Bell, kAttemptsThatBreak> broke;
  std::size_t attempts = 0;
  trainers_.script.fail = [&](int) -> absl::Status {
    broke.at(attempts++).Ring();
    return Error(absl::StatusCode::kUnavailable, Reason::kBackendUnavailable,
                 "the device failed");
  };
  const JobNumber number = Create(Spec());
  for (int attempt = 1; attempt < kAttemptsThatBreak; ++attempt) {
    ASSERT_TRUE(jobs_->Start().ok());
    broke.at(static_cast<std::size_t>(attempt - 1)).Await();
    Restart();
    EXPECT_EQ(Must(jobs_->GetJob(number)).status.state, JobState::kRunning);
  }
  ASSERT_TRUE(jobs_->Start().ok());
  const Job failed = AwaitEnd(number);
  EXPECT_EQ(failed.status.state, JobState::kFailed);
  EXPECT_EQ(failed.status.error->reason, "BACKEND_UNAVAILABLE");
  EXPECT_THAT(failed.status.error->text, HasSubstr("attempt 3"));
}

TEST_F(JobManagerLimitsTest, TheTimeOfTheRunsBeforeCounts) {
  JobSpec spec = Spec(100'000);
  spec.recipe.evaluate_every = 50'000;
  spec.max_duration = std::chrono::hours(1);
  const JobNumber number = Create(spec);
  ASSERT_TRUE(jobs_->CallJob(number, JobCall::kPause, "", Asked()).ok());
  // As if it had run so long before.
  JobRow row = Must(store_->jobs().GetJob(number));
  JobStatus status = Must(ParseStatus(row.status));
  status.ran = std::chrono::hours(1);
  Must(store_->jobs().ChangeJob({.job = number, .status = FormatStatus(status)},
                                std::nullopt));
  ASSERT_TRUE(jobs_->Start().ok());
  ASSERT_TRUE(jobs_->CallJob(number, JobCall::kResume, "", Asked()).ok());
  const Job done =
      Await(number, [](const Job& job) { return IsDone(job.status.state); });
  EXPECT_EQ(done.status.state, JobState::kSucceeded)
      << "it ends as after its last step";
  EXPECT_EQ(done.status.step, 0);
  EXPECT_EQ(trainers_.calls(), 0);
}

TEST_F(JobManagerLimitsTest, TimeOfRunningIsKeptWithEveryChange) {
  ASSERT_TRUE(jobs_->Start().ok());
  const Job job = AwaitEnd(Create(Spec()));
  EXPECT_GT(job.status.ran.count(), 0);
  const Job stored = Must(jobs_->GetJob(job.number));
  EXPECT_EQ(stored.status.ran, job.status.ran);
}

TEST_F(JobManagerLimitsTest, ProgressLeavesTheEtagAndAStateChangesIt) {
  ASSERT_TRUE(jobs_->Start().ok());
  std::string early;
  std::string late;
  trainers_.script.fail = [&](int call) {
    if (call == 1) {
      early = Must(jobs_->GetJob({1})).etag;
    } else if (call == 18) {
      late = Must(jobs_->GetJob({1})).etag;
    }
    return absl::OkStatus();
  };
  const JobNumber number = Create(Spec());
  const std::string queued = Must(jobs_->GetJob(number)).etag;
  const Job done = AwaitEnd(number);
  EXPECT_EQ(early, late) << "evaluations and checkpoints lie between them";
  EXPECT_NE(done.etag, late);
  EXPECT_NE(queued, late);
  EXPECT_EQ(ReasonOf(jobs_->DeleteJob(number, late, Asked())), "ETAG_MISMATCH");
  EXPECT_TRUE(jobs_->DeleteJob(number, done.etag, Asked("d")).ok());
  EXPECT_TRUE(jobs_->DeleteJob(number, done.etag, Asked("d")).ok());
}

}  // namespace
}  // namespace resnetd
