#include "server/finetune/job_metrics.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/telemetry/serving_metrics.h"

namespace resnetd {
namespace {

class JobMetricsTest : public ::testing::Test {
 protected:
  static Job JobIn(JobState state, std::int64_t number = 7) {
    Job job{.number = {number},
            .spec = {.model = ModelName::Parse("digits").value(),
                     .base = VersionNumber{3},
                     .dataset = DatasetName::Parse("new").value()}};
    job.status.state = state;
    job.status.config_hash = "c0";
    job.status.recipe = Recipe{.batch_size = 32};
    job.status.step = 40;
    job.status.total_steps = 100;
    return job;
  }
  // The job goes to `to`, with events.
  void Go(JobState from, JobState to,
          const std::vector<JobEventBody>& events = {}) {
    metrics_.Changed(JobIn(to), ++generation_, from, events);
  }
  void Run() {
    metrics_.Changed(JobIn(JobState::kQueued), ++generation_, std::nullopt, {});
    Go(JobState::kQueued, JobState::kValidating);
    Go(JobState::kValidating, JobState::kRunning);
  }

  // The value of a series of resnetd_finetune_, or "absent".
  std::string ValueOf(absl::string_view series) const {
    const std::string text = telemetry_->Expose();
    for (const absl::string_view line : absl::StrSplit(text, '\n')) {
      if (absl::StartsWith(line,
                           absl::StrCat("resnetd_finetune_", series, " "))) {
        return std::string(line.substr(line.rfind(' ') + 1));
      }
    }
    return "absent";
  }

  const std::unique_ptr<Telemetry> telemetry_ = Telemetry::Create();
  JobMetrics metrics_{telemetry_->training()};
  std::int64_t generation_ = 0;
};

TEST_F(JobMetricsTest, AJobInWorkHasTheSlot) {
  Run();
  EXPECT_EQ(ValueOf("job_info{base=\"3\",config_hash=\"c0\",model=\"digits\","
                    "slot=\"0\",train_job=\"7\"}"),
            "1");
  EXPECT_EQ(ValueOf("job_state{slot=\"0\",state=\"RUNNING\"}"), "1");
  EXPECT_EQ(ValueOf("job_state{slot=\"0\",state=\"VALIDATING\"}"), "absent");
  EXPECT_EQ(ValueOf("step{slot=\"0\"}"), "40");
  EXPECT_EQ(ValueOf("step_limit{slot=\"0\"}"), "100");
}

TEST_F(JobMetricsTest, CountsWhatItsEventsTell) {
  Run();
  Go(JobState::kRunning, JobState::kRunning,
     {StepMetrics{.step = 40, .steps = 4, .loss = 0.5, .accuracy = 0.75},
      EvaluationMetrics{.loss = 0.25, .accuracy = 0.875},
      CheckpointSaved{.step = 40}, Recovered{.from_step = 41}});
  EXPECT_EQ(ValueOf("steps_total{slot=\"0\"}"), "4");
  EXPECT_EQ(ValueOf("examples_total{slot=\"0\"}"), "128");
  EXPECT_EQ(ValueOf("loss{slot=\"0\",split=\"train\"}"), "0.5");
  EXPECT_EQ(ValueOf("accuracy_ratio{slot=\"0\",split=\"train\"}"), "0.75");
  EXPECT_EQ(ValueOf("loss{slot=\"0\",split=\"validation\"}"), "0.25");
  EXPECT_EQ(ValueOf("accuracy_ratio{slot=\"0\",split=\"validation\"}"),
            "0.875");
  EXPECT_EQ(ValueOf("old_class_accuracy_ratio{slot=\"0\"}"), "absent");
  EXPECT_EQ(ValueOf("checkpoints_total{slot=\"0\"}"), "1");
  EXPECT_EQ(ValueOf("recoveries_total{slot=\"0\"}"), "1");
}

TEST_F(JobMetricsTest, NothingIsLeftOfAJobThatHasGoneButItsCounts) {
  Run();
  Go(JobState::kRunning, JobState::kRunning,
     {StepMetrics{.steps = 4}, EvaluationMetrics{}, CheckpointSaved{}});
  Go(JobState::kRunning, JobState::kFailed);
  metrics_.SlotIsFree();
  const std::string text = telemetry_->Expose();
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (!absl::StrContains(line, "_total")) {
      EXPECT_FALSE(absl::StrContains(line, "slot=\"0\"")) << line;
    }
  }
  EXPECT_EQ(ValueOf("steps_total{slot=\"0\"}"), "4");
  EXPECT_EQ(ValueOf("jobs_total{state=\"FAILED\"}"), "1");
  EXPECT_EQ(ValueOf("jobs_total{state=\"SUCCEEDED\"}"), "0");
}

TEST_F(JobMetricsTest, CountsJobsThatAreNotDoneByState) {
  metrics_.Found(JobIn(JobState::kPaused, 1), 5);
  metrics_.Changed(JobIn(JobState::kQueued, 2), 1, std::nullopt, {});
  metrics_.Changed(JobIn(JobState::kQueued, 3), 1, std::nullopt, {});
  EXPECT_EQ(ValueOf("queue_jobs{state=\"QUEUED\"}"), "2");
  EXPECT_EQ(ValueOf("queue_jobs{state=\"PAUSED\"}"), "1");
  metrics_.Changed(JobIn(JobState::kCancelled, 2), 2, JobState::kQueued, {});
  metrics_.Changed(JobIn(JobState::kCancelled, 3), 2, JobState::kQueued, {});
  EXPECT_EQ(ValueOf("queue_jobs{state=\"QUEUED\"}"), "0");
  EXPECT_EQ(ValueOf("jobs_total{state=\"CANCELLED\"}"), "2");
}

TEST_F(JobMetricsTest, BelievesTheNewestOfWhatComesInTheWrongOrder) {
  Run();
  metrics_.Changed(JobIn(JobState::kCancelled), generation_ + 2,
                   JobState::kCancelling, {});
  metrics_.Changed(JobIn(JobState::kCancelling), generation_ + 1,
                   JobState::kRunning, {});
  EXPECT_EQ(ValueOf("job_state{slot=\"0\",state=\"CANCELLED\"}"), "1");
  EXPECT_EQ(ValueOf("queue_jobs{state=\"CANCELLING\"}"), "absent");
  EXPECT_EQ(ValueOf("jobs_total{state=\"CANCELLED\"}"), "1");
}

TEST_F(JobMetricsTest, CountsWhatBecomesOfPromotions) {
  const auto conclude = [this](PromotionKind kind, PromotionState state,
                               bool passed) {
    Job job = JobIn(JobState::kSucceeded);
    job.spec.promotion.kind = kind;
    job.status.promotion = state;
    metrics_.Changed(job, ++generation_, JobState::kEvaluating,
                     {GateVerdict{.passed = passed}});
  };
  conclude(PromotionKind::kNone, PromotionState::kNotRequested, true);
  conclude(PromotionKind::kAlias, PromotionState::kPromoted, true);
  conclude(PromotionKind::kAlias, PromotionState::kGateNotPassed, false);
  // The alias was somebody else's by then.
  conclude(PromotionKind::kAlias, PromotionState::kGateNotPassed, true);
  EXPECT_EQ(ValueOf("promotions_total{result=\"promoted\"}"), "1");
  EXPECT_EQ(ValueOf("promotions_total{result=\"gate_not_passed\"}"), "1");
  EXPECT_EQ(ValueOf("promotions_total{result=\"failed\"}"), "1");
  EXPECT_EQ(ValueOf("promotions_total{result=\"rolled_back\"}"), "0");
}

GradientSample Sampled(std::int64_t step) {
  GradientSample sample{.step = step, .examples = 32};
  sample.blocks = {{.paths = PathNorms{.shortcut = 3, .main = 4, .input = 5}}};
  return sample;
}

TEST_F(JobMetricsTest, ShowsTheGradientsOfTheJobInTheSlot) {
  const std::string main = "block_grad_main_l2{block=\"layer1.00\",slot=\"0\"}";
  metrics_.GradientSampled({7}, Sampled(10), {"layer1.00"});
  EXPECT_EQ(ValueOf(main), "absent");
  Run();
  metrics_.GradientSampled({8}, Sampled(10), {"layer1.00"});
  EXPECT_EQ(ValueOf(main), "absent");
  metrics_.GradientSampled({7}, Sampled(10), {"layer1.00"});
  EXPECT_EQ(ValueOf(main), "4");
  metrics_.SlotIsFree();
  EXPECT_EQ(ValueOf(main), "absent");
  metrics_.GradientSampled({7}, Sampled(20), {"layer1.00"});
  EXPECT_EQ(ValueOf(main), "absent");
}

TEST_F(JobMetricsTest, ShowsTheAlarmsOfTheJobInTheSlot) {
  const std::string alarm = "alarm{kind=\"VANISHING\",slot=\"0\"}";
  const auto change = [this](JobNumber number,
                             std::vector<ActiveAlarm> alarms) {
    Job job = JobIn(JobState::kRunning);
    job.number = number;
    job.status.alarms = std::move(alarms);
    metrics_.Changed(job, ++generation_, JobState::kRunning, {});
  };
  const std::vector<ActiveAlarm> raised = {{.kind = AlarmKind::kVanishing}};
  change({7}, raised);
  EXPECT_EQ(ValueOf(alarm), "absent");
  Run();
  EXPECT_EQ(ValueOf(alarm), "0");
  change({8}, raised);
  EXPECT_EQ(ValueOf(alarm), "0");
  change({7}, raised);
  EXPECT_EQ(ValueOf(alarm), "1");
  change({7}, {});
  EXPECT_EQ(ValueOf(alarm), "0");
  metrics_.SlotIsFree();
  EXPECT_EQ(ValueOf(alarm), "absent");
}

}  // namespace
}  // namespace resnetd
