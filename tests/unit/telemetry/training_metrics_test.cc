#include "server/telemetry/training_metrics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/telemetry/serving_metrics.h"

namespace resnetd {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class TrainingMetricsTest : public ::testing::Test {
 protected:
  TrainingMetrics& metrics() { return telemetry_->training(); }
  void Enter(const std::string& job) {
    metrics().JobEntered({.train_job = job,
                          .model = "digits",
                          .base = "3",
                          .config_hash = "c0"});
  }
  // Everything that is told of a job in work.
  void TellAll() {
    metrics().SetState("RUNNING");
    metrics().SetSteps(5, 10);
    metrics().Stepped({.steps = 5, .examples = 160, .loss = 0.5},
                      WallTime(seconds(1000)));
    metrics().Evaluated({.loss = 0.25, .old_class_accuracy = 0.5});
    metrics().CheckpointSaved(WallTime(seconds(2000)));
    metrics().Recovered();
    metrics().Paced(0.5, milliseconds(1500), 1.25);
    metrics().GradientSampled(
        {.blocks = {{.block = "layer1.00", .main_norm = 3}}, .depth_ratio = 2});
    metrics().SetAlarms({"VANISHING"});
  }

  // The value of a series, or "absent".
  std::string ValueOf(absl::string_view series) const {
    const std::string text = telemetry_->Expose();
    for (const absl::string_view line : absl::StrSplit(text, '\n')) {
      if (absl::StartsWith(line, absl::StrCat("resnetd_", series, " "))) {
        return std::string(line.substr(line.rfind(' ') + 1));
      }
    }
    return "absent";
  }
  std::size_t Lines() const {
    const std::string text = telemetry_->Expose();
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
  }

  std::unique_ptr<Telemetry> telemetry_ = Telemetry::Create();
};

TEST_F(TrainingMetricsTest, CountersAreThereBeforeTheFirstJob) {
  EXPECT_EQ(ValueOf("finetune_steps_total{slot=\"0\"}"), "0");
  EXPECT_EQ(ValueOf("finetune_jobs_total{state=\"SUCCEEDED\"}"), "0");
  EXPECT_EQ(ValueOf("finetune_promotions_total{result=\"rolled_back\"}"), "0");
  EXPECT_EQ(ValueOf("finetune_step{slot=\"0\"}"), "absent");
}

TEST_F(TrainingMetricsTest, ShowsWhatIsToldOfTheJobInTheSlot) {
  Enter("7");
  TellAll();
  EXPECT_EQ(ValueOf("finetune_last_step_timestamp_seconds{slot=\"0\"}"),
            "1000");
  EXPECT_EQ(ValueOf("finetune_checkpoint_timestamp_seconds{slot=\"0\"}"),
            "2000");
  EXPECT_EQ(ValueOf("finetune_duty_ratio{slot=\"0\"}"), "0.5");
  EXPECT_EQ(ValueOf("finetune_throttled_seconds_total{slot=\"0\"}"), "1.5");
  EXPECT_EQ(ValueOf("serving_slowdown_ratio"), "1.25");
  metrics().Paced(1, milliseconds(500), std::nullopt);
  EXPECT_EQ(ValueOf("finetune_throttled_seconds_total{slot=\"0\"}"), "2");
  EXPECT_EQ(ValueOf("serving_slowdown_ratio"), "absent");
}

TEST_F(TrainingMetricsTest, GaugesEndWithTheJobAndCountersGoOn) {
  const std::size_t before = Lines();
  Enter("7");
  TellAll();
  EXPECT_GT(Lines(), before + 10);
  metrics().JobLeft();
  EXPECT_EQ(ValueOf("serving_slowdown_ratio"), "absent");
  EXPECT_EQ(Lines(), before);
  EXPECT_EQ(ValueOf("finetune_steps_total{slot=\"0\"}"), "5");
}

TEST_F(TrainingMetricsTest, AThousandJobsMakeNoMoreSeriesThanOne) {
  Enter("1");
  TellAll();
  const std::size_t one = Lines();
  for (int job = 2; job <= 1000; ++job) {
    Enter(absl::StrCat(job));
    TellAll();
  }
  EXPECT_EQ(Lines(), one);
}

TEST_F(TrainingMetricsTest, WhatComesAfterTheJobHasGoneShowsNothing) {
  const std::size_t before = Lines();
  TellAll();
  EXPECT_EQ(Lines(), before);
}

TEST_F(TrainingMetricsTest, AStateThatHasNoJobsAnyMoreIsZero) {
  metrics().SetJobs({{"QUEUED", 2}, {"PAUSED", 1}});
  metrics().SetJobs({{"QUEUED", 1}});
  EXPECT_EQ(ValueOf("finetune_queue_jobs{state=\"QUEUED\"}"), "1");
  EXPECT_EQ(ValueOf("finetune_queue_jobs{state=\"PAUSED\"}"), "0");
}

TEST_F(TrainingMetricsTest, ShowsGradientsAndAlarmsOfTheJobInTheSlot) {
  const std::string block = "{block=\"layer1.00\",slot=\"0\"}";
  Enter("7");
  EXPECT_EQ(ValueOf("finetune_alarm{kind=\"VANISHING\",slot=\"0\"}"), "0");
  TellAll();
  EXPECT_EQ(ValueOf("finetune_block_grad_main_l2" + block), "3");
  EXPECT_EQ(ValueOf("finetune_grad_depth_ratio{slot=\"0\"}"), "2");
  EXPECT_EQ(ValueOf("finetune_alarm{kind=\"VANISHING\",slot=\"0\"}"), "1");
  // Nothing of it is left when another job takes the slot.
  Enter("8");
  EXPECT_EQ(ValueOf("finetune_block_grad_main_l2" + block), "absent");
  EXPECT_EQ(ValueOf("finetune_alarm{kind=\"VANISHING\",slot=\"0\"}"), "0");
}

TEST_F(TrainingMetricsTest, TimesThePhasesOfSteps) {
  const auto count = [this](const std::string& phase) {
    return ValueOf("finetune_step_seconds_count{phase=\"" + phase +
                   "\",slot=\"0\"}");
  };
  EXPECT_EQ(count("data"), "absent");
  metrics().StepTimed(StepPhase::kData, milliseconds(2));
  metrics().StepTimed(StepPhase::kCompute, milliseconds(3));
  metrics().StepTimed(StepPhase::kForward, milliseconds(3));
  metrics().StepTimed(StepPhase::kBackward, milliseconds(3));
  metrics().StepTimed(StepPhase::kOptimizer, milliseconds(3));
  for (const char* phase :
       {"data", "compute", "forward", "backward", "optimizer"}) {
    EXPECT_EQ(count(phase), "1");
  }
  EXPECT_EQ(ValueOf("finetune_probe_seconds_total{slot=\"0\"}"), "0");
  metrics().StepTimed(StepPhase::kProbe, milliseconds(250));
  metrics().StepTimed(StepPhase::kProbe, milliseconds(250));
  EXPECT_EQ(count("probe"), "2");
  EXPECT_EQ(ValueOf("finetune_probe_seconds_total{slot=\"0\"}"), "0.5");
  EXPECT_EQ(ValueOf("finetune_step_seconds_bucket{phase=\"data\",slot=\"0\","
                    "le=\"0.0025\"}"),
            "1");
}

TEST_F(TrainingMetricsTest, CountsStepsThatWereVoidOrClipped) {
  metrics().StepNotFinite();
  metrics().StepClipped();
  metrics().StepClipped();
  EXPECT_EQ(ValueOf("finetune_nonfinite_steps_total{slot=\"0\"}"), "1");
  EXPECT_EQ(ValueOf("finetune_clipped_steps_total{slot=\"0\"}"), "2");
}

TEST_F(TrainingMetricsTest, CountsRejectedExamplesByCause) {
  EXPECT_EQ(ValueOf("finetune_examples_rejected_total{code=\"EMPTY\"}"), "0");
  metrics().ExampleRejected("TRUNCATED");
  metrics().ExampleRejected("TRUNCATED");
  EXPECT_EQ(ValueOf("finetune_examples_rejected_total{code=\"TRUNCATED\"}"),
            "2");
}

TEST_F(TrainingMetricsTest, CountsEnds) {
  metrics().JobEnded("FAILED");
  metrics().JobEnded("NO_STATE");
  metrics().PromotionEnded(PromotionResult::kRolledBack);
  EXPECT_EQ(ValueOf("finetune_jobs_total{state=\"FAILED\"}"), "1");
  EXPECT_EQ(ValueOf("finetune_promotions_total{result=\"rolled_back\"}"), "1");
}

}  // namespace
}  // namespace resnetd
