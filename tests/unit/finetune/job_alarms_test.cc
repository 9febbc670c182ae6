// Alarms and samples of jobs as a whole.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "server/base/error.h"
#include "tests/unit/finetune/job_manager_fixture.h"

namespace resnetd {
namespace {

using ::testing::HasSubstr;

class JobAlarmsTest : public JobManagerTest {
 protected:
  JobAlarmsTest() {
    trainers_.script.sample = [](int) { return Calm(); };
  }
  static GradientSample Calm() {
    GradientSample sample;
    sample.all = {.gradient = 1, .weights = 1, .update = 1e-3};
    return sample;
  }
  // Not finite at that call alone.
  void BreakAt(int broken) {
    trainers_.script.loss = [broken](int call, double loss) {
      return call == broken ? std::numeric_limits<double>::quiet_NaN() : loss;
    };
  }
  static JobSpec Sampled(JobSpec spec) {
    spec.observation.probe_every = 1;
    return spec;
  }
  std::vector<std::int64_t> StepsOf(JobNumber number) {
    std::vector<std::int64_t> steps;
    for (const GradientSample& sample :
         Must(jobs_->Gradients({.job = number})).samples) {
      steps.push_back(sample.step);
    }
    return steps;
  }
};

TEST_F(JobAlarmsTest, ANanCostsARollbackAndTheJobSucceeds) {
  ASSERT_TRUE(jobs_->Start().ok());
  BreakAt(6);
  JobSpec spec = Sampled(Spec(40));
  spec.promotion = {.kind = PromotionKind::kAlias, .alias = "stable"};
  const JobNumber number = Create(spec);
  const Job job = AwaitEnd(number);
  ASSERT_EQ(job.status.state, JobState::kSucceeded)
      << (job.status.error ? job.status.error->text : "");
  EXPECT_EQ(job.status.setbacks, 1);
  EXPECT_TRUE(job.status.alarms.empty());
  EXPECT_EQ(job.status.promotion, PromotionState::kPromoted);
  EXPECT_EQ(EventsOf<AlarmRaised>(number).size(), 1U);
  EXPECT_EQ(EventsOf<AlarmCleared>(number).size(), 1U);
  EXPECT_EQ(EventsOf<Recovered>(number).size(), 1U);
  // Each step once, whatever was gone back from.
  std::vector<std::int64_t> steps;
  for (std::int64_t step = 1; step <= 40; ++step) {
    steps.push_back(step);
  }
  EXPECT_EQ(StepsOf(number), steps);
}

TEST_F(JobAlarmsTest, FailIsAFailureWithItsReason) {
  ASSERT_TRUE(jobs_->Start().ok());
  BreakAt(6);
  JobSpec spec = Spec(40);
  spec.alarms = {{AlarmKind::kNonfinite, AlarmAction::kFail}};
  const Job job = AwaitEnd(Create(spec));
  EXPECT_EQ(job.status.state, JobState::kFailed);
  EXPECT_EQ(job.status.error->reason, "NONFINITE_LOSS");
  EXPECT_THAT(job.status.error->text, HasSubstr("alarm NONFINITE at step 7"));
  ASSERT_EQ(job.status.alarms.size(), 1U);
  EXPECT_EQ(job.status.alarms[0].kind, AlarmKind::kNonfinite);
}

TEST_F(JobAlarmsTest, PauseIsAPauseWithAReasonAndCanBeResumed) {
  ASSERT_TRUE(jobs_->Start().ok());
  BreakAt(6);
  JobSpec spec = Spec(40);
  spec.alarms = {{AlarmKind::kNonfinite, AlarmAction::kPause}};
  const JobNumber number = Create(spec);
  EXPECT_EQ(AwaitEnd(number).status.state, JobState::kPaused);
  std::string why;
  for (const StateChanged& change : EventsOf<StateChanged>(number)) {
    if (change.to == JobState::kPausing) {
      why = change.text;
    }
  }
  EXPECT_THAT(why, HasSubstr("alarm NONFINITE"));
  // Also after a restart.
  Restart();
  ASSERT_TRUE(jobs_->Start().ok());
  ASSERT_TRUE(jobs_->CallJob(number, JobCall::kResume, "", Asked()).ok());
  const Job job =
      Await(number, [](const Job& one) { return IsDone(one.status.state); });
  EXPECT_EQ(job.status.state, JobState::kSucceeded);
  EXPECT_TRUE(job.status.alarms.empty());
  EXPECT_EQ(EventsOf<AlarmRaised>(number).size(), 1U);
}

TEST_F(JobAlarmsTest, UnderAnAlarmOfTheGateNothingIsPromoted) {
  ASSERT_TRUE(jobs_->Start().ok());
  trainers_.script.sample = [](int call) {
    GradientSample sample = Calm();
    sample.blocks.resize(1);
    sample.blocks[0].parameters = sample.all;
    sample.blocks[0].parameters->update = call >= 30 ? 2 : 1e-3;
    return sample;
  };
  JobSpec spec = Sampled(Spec(40));
  spec.alarms = {{AlarmKind::kExploding, AlarmAction::kWarn}};
  spec.promotion = {.kind = PromotionKind::kAlias, .alias = "stable"};
  const Job job = AwaitEnd(Create(spec));
  EXPECT_EQ(job.status.state, JobState::kSucceeded);
  ASSERT_EQ(job.status.alarms.size(), 1U);
  EXPECT_EQ(job.status.promotion, PromotionState::kGateNotPassed);
  for (const GateCriterion& criterion : job.status.gate->criteria) {
    EXPECT_EQ(criterion.passed, criterion.name != "alarms") << criterion.name;
  }
}

TEST_F(JobAlarmsTest, AWarningOfAnotherKindDoesNotHinderThePromotion) {
  ASSERT_TRUE(jobs_->Start().ok());
  trainers_.script.sample = [](int) {
    GradientSample sample = Calm();
    sample.all.update = 0.5;  // LR_SUSPECT.
    return sample;
  };
  JobSpec spec = Sampled(Spec(40));
  spec.promotion = {.kind = PromotionKind::kAlias, .alias = "stable"};
  const Job job = AwaitEnd(Create(spec));
  ASSERT_EQ(job.status.alarms.size(), 1U);
  EXPECT_EQ(job.status.alarms[0].kind, AlarmKind::kLrSuspect);
  EXPECT_EQ(job.status.promotion, PromotionState::kPromoted);
}

TEST_F(JobAlarmsTest, TheSeriesSurvivesARestartAndGoesWithTheJob) {
  ASSERT_TRUE(jobs_->Start().ok());
  const JobNumber number = Create(Sampled(Spec(20)));
  AwaitEnd(number);
  Restart();
  ASSERT_TRUE(jobs_->Start().ok());
  const GradientReport report =
      Must(jobs_->Gradients({.job = number, .first_step = 5, .last_step = 7}));
  ASSERT_EQ(report.samples.size(), 3U);
  EXPECT_EQ(report.samples[0].step, 5);
  EXPECT_EQ(report.samples[0].all.update, 1e-3);
  EXPECT_EQ(report.oldest_step, 1);
  EXPECT_FALSE(report.blocks.empty());
  EXPECT_FALSE(EventsOf<BlockGradients>(number).empty());
  ASSERT_TRUE(jobs_->DeleteJob(number, "", Asked()).ok());
  EXPECT_EQ(DetailsOf(jobs_->Gradients({.job = number}).status()).reason,
            "JOB_NOT_FOUND");
}

TEST_F(JobAlarmsTest, AJobWithoutSamplesSaysSo) {
  ASSERT_TRUE(jobs_->Start().ok());
  JobSpec spec = Spec(20);
  spec.observation.probe_every = 0;
  const JobNumber number = Create(spec);
  AwaitEnd(number);
  EXPECT_EQ(DetailsOf(jobs_->Gradients({.job = number}).status()).reason,
            "JOB_STATE");
}

TEST_F(JobAlarmsTest, AWrongSpecIsRefused) {
  ASSERT_TRUE(jobs_->Start().ok());
  JobSpec spec = Spec(20);
  spec.observation.probe_every = -1;
  spec.alarms = {{AlarmKind::kNonfinite, AlarmAction::kWarn}};
  const absl::Status status =
      jobs_->CreateJob(spec, false, false, Asked()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DetailsOf(status).violations.size(), 2U);
}

}  // namespace
}  // namespace resnetd
