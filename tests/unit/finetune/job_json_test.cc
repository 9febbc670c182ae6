#include "server/finetune/job_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "server/base/error.h"

namespace resnetd {
namespace {

JobSpec FullSpec() {
  JobSpec spec{
      .model = ModelName::Parse("digits").value(),
      .base = VersionNumber{3},
      .architecture = "",
      .input_size = 32,
      .dataset = DatasetName::Parse("new-digits").value(),
      .split = {.validation = 0.25, .test = 0.125, .seed = 1ULL << 63U},
      .head = HeadPolicy::kGrow,
      .replay = {.exemplars_per_class = 7,
                 .dataset = DatasetName::Parse("old").value(),
                 .allow_forgetting = true},
      .recipe = {.layers = LayerPolicy::kHead, .batch_size = 16},
      .gate = {.min_examples = 51, .allow_label_change = true},
      .promotion = {.kind = PromotionKind::kAlias, .alias = "canary"},
      .max_duration = std::chrono::seconds(90),
      .display_name = "ä \"name\""};
  return spec;
}

TEST(JobJsonTest, ASpecComesBackAsItWas) {
  const std::string text = FormatSpec(FullSpec());
  const auto spec = ParseSpec(text);
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(FormatSpec(*spec), text);
  EXPECT_EQ(spec->base, VersionNumber{3});
  EXPECT_EQ(spec->split.seed, 1ULL << 63U);
  EXPECT_EQ(spec->head, HeadPolicy::kGrow);
  EXPECT_EQ(spec->replay.dataset->text(), "old");
  EXPECT_EQ(spec->recipe.batch_size, 16);
  EXPECT_EQ(spec->gate.min_examples, 51);
  EXPECT_EQ(spec->promotion.alias, "canary");
  EXPECT_EQ(spec->display_name, "ä \"name\"");
}

TEST(JobJsonTest, WhatIsAbsentStaysAbsent) {
  const JobSpec least{.model = ModelName::Parse("m").value(),
                      .dataset = DatasetName::Parse("d").value()};
  const auto spec = ParseSpec(FormatSpec(least));
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_FALSE(spec->base.has_value());
  EXPECT_FALSE(spec->replay.dataset.has_value());
  EXPECT_FALSE(spec->recipe.batch_size.has_value());
  const auto status = ParseStatus(FormatStatus(JobStatus()));
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_FALSE(status->recipe.has_value());
  EXPECT_FALSE(status->error.has_value());
  EXPECT_FALSE(status->started.has_value());
  EXPECT_FALSE(status->result.has_value());
}

TEST(JobJsonTest, AStatusComesBackAsItWas) {
  JobStatus status{
      .state = JobState::kFailed,
      .step = 5,
      .total_steps = 10,
      .attempt = 2,
      .setbacks = 1,
      .started = WallTime(std::chrono::microseconds(1'700'000)),
      .ended = WallTime(std::chrono::microseconds(1'800'000)),
      .error = JobError{.reason = "DIVERGED", .text = "oh"},
      .config_hash = "c",
      .dataset_digest = "d",
      .base_weights = "w",
      .last_step = StepMetrics{.step = 5, .loss = 0.1},
      .last_evaluation = EvaluationMetrics{.step = 5, .accuracy = 1.0 / 3},
      .best_evaluation =
          EvaluationMetrics{
              .step = 4, .old_class_accuracy = 0.5, .new_class_accuracy = 0.25},
      .result = VersionNumber{4},
      .gate = GateVerdict{.passed = true,
                          .criteria = {{.name = "n",
                                        .value = 1.5,
                                        .bound = 2,
                                        .passed = true,
                                        .text = "t"},
                                       {.name = "m"}}},
      .promotion = PromotionState::kPromoted,
      .environment = "e"};
  const std::string text = FormatStatus(status);
  const auto read = ParseStatus(text);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(FormatStatus(*read), text);
  EXPECT_EQ(read->last_evaluation->accuracy, 1.0 / 3);
  EXPECT_EQ(read->best_evaluation->old_class_accuracy, 0.5);
  EXPECT_EQ(read->gate->criteria[0].value, 1.5);
  EXPECT_FALSE(read->gate->criteria[1].value.has_value());
  EXPECT_EQ(read->started, status.started);
  EXPECT_EQ(read->error->reason, "DIVERGED");
}

TEST(JobJsonTest, ACheckpointComesBackAsItWas) {
  const CheckpointManifest manifest{.weights = "a",
                                    .optimizer = "b",
                                    .means = "c",
                                    .optimizer_steps = 7,
                                    .stale_evaluations = 2,
                                    .is_best = true,
                                    .evaluation = EvaluationMetrics{.step = 7},
                                    .best = EvaluationMetrics{.step = 6}};
  const std::string text = FormatCheckpoint(manifest);
  const auto read = ParseCheckpoint(text);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(FormatCheckpoint(*read), text);
  EXPECT_EQ(read->best->step, 6);
}

TEST(JobJsonTest, WhatTheServerDidNotWriteIsDamage) {
  const std::string spec = FormatSpec(FullSpec());
  for (const std::string& text :
       {std::string(), std::string("{}"), std::string("[]"),
        std::string("{\"model\": 1}"), spec.substr(0, spec.size() - 1)}) {
    for (const absl::Status& status :
         {ParseSpec(text).status(), ParseStatus(text).status(),
          ParseCheckpoint(text).status()}) {
      EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << text;
      EXPECT_EQ(DetailsOf(status).reason, "STORE_CORRUPT") << text;
    }
  }
  // A state that there is not.
  std::string status = FormatStatus(JobStatus());
  const std::size_t at = status.find("\"state\":2");
  ASSERT_NE(at, std::string::npos);
  status.replace(at, 9, "\"state\":99");
  EXPECT_EQ(ParseStatus(status).status().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace resnetd
