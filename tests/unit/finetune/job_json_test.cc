#include "server/finetune/job_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <limits>
#include <string>

#include "server/base/error.h"

namespace resnetd {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;

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

// The texts are in databases: this is what format 2 of the store has.
TEST(JobJsonTest, ASpecComesBackAsItWas) {
  const std::string text =
      R"({"alias":"canary","architecture":"","base":3,)"
      R"("dataset":"new-digits","display_name":"ä \"name\"",)"
      R"("gate":{"allow_label_change":true,"alpha":0.05,)"
      R"("margin":0.01,"max_calibration_error":0.15,)"
      R"("max_forgetting":0.05,"max_latency_ratio":1.5,)"
      R"("max_recall_drop":0.15,"max_size_ratio":1.5,)"
      R"("min_accuracy":0.0,"min_class_examples":20,)"
      R"("min_examples":51,"require_better":false},"head":2,)"
      R"("input_size":32,"max_duration_s":90,"model":"digits",)"
      R"("promotion":2,"recipe":{"batch_size":16,"layers":"HEAD"},)"
      R"("replay":{"allow_forgetting":true,"dataset":"old",)"
      R"("exemplars_per_class":7},"split_seed":9223372036854775808,)"
      R"("split_test":0.125,"split_validation":0.25})";
  EXPECT_EQ(FormatSpec(FullSpec()), text);
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

TEST(JobJsonTest, WhatCameLaterIsWrittenOnlyWhereItIsSaid) {
  JobSpec spec = FullSpec();
  spec.guard = {.max_p99 = std::chrono::milliseconds(50), .max_queue = 9};
  const std::string text = FormatSpec(spec);
  EXPECT_THAT(text, HasSubstr(R"("guard_max_p99_ms":50,"guard_max_queue":9,)"));
  const auto read = ParseSpec(text);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->guard.max_p99, std::chrono::milliseconds(50));
  EXPECT_EQ(read->guard.max_queue, 9);

  JobStatus status;
  status.duty = 0.25;
  const auto throttled = ParseStatus(FormatStatus(status));
  ASSERT_TRUE(throttled.ok()) << throttled.status();
  EXPECT_EQ(throttled->duty, 0.25);

  EXPECT_THAT(FormatSpec(FullSpec()), Not(HasSubstr("watch")));
  spec.promotion.watch.max_failure_rate = 0.125;
  const auto watching = ParseSpec(FormatSpec(spec));
  ASSERT_TRUE(watching.ok()) << watching.status();
  EXPECT_EQ(watching->promotion.watch.max_failure_rate, 0.125);
  EXPECT_EQ(watching->promotion.watch.duration, std::chrono::minutes(10));
  status.watch =
      WatchedPromotion{.alias = "stable",
                       .version = VersionNumber{5},
                       .alias_etag = "a7",
                       .until = WallTime(std::chrono::microseconds(1'900'000)),
                       .answers_before = 12,
                       .confidence_before = 0.5,
                       .rolled_back_for = "why"};
  const auto watched = ParseStatus(FormatStatus(status));
  ASSERT_TRUE(watched.ok()) << watched.status();
  ASSERT_TRUE(watched->watch.has_value());
  EXPECT_EQ(watched->watch->alias, "stable");
  EXPECT_EQ(watched->watch->version, VersionNumber{5});
  EXPECT_EQ(watched->watch->alias_etag, "a7");
  EXPECT_EQ(watched->watch->until, status.watch->until);
  EXPECT_EQ(watched->watch->answers_before, 12);
  EXPECT_EQ(watched->watch->confidence_before, 0.5);
  EXPECT_EQ(watched->watch->rolled_back_for, "why");
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
  const std::string text =
      R"({"attempt":2,"base_weights":"w",)"
      R"("best_evaluation":{"accuracy":0.0,"calibration_error":0.0,)"
      R"("examples":0,"is_best":false,"loss":0.0,)"
      R"("new_class_accuracy":0.25,"old_class_accuracy":0.5,)"
      R"("step":4},"config_hash":"c","dataset_digest":"d",)"
      R"("ended_us":1800000,"environment":"e",)"
      R"("error":{"reason":"DIVERGED","text":"oh"},)"
      R"("gate":{"criteria":[{"bound":2.0,"name":"n","passed":true,)"
      R"("text":"t","value":1.5},{"bound":0.0,"name":"m",)"
      R"("passed":false,"text":""}],"is_better":false,"passed":true},)"
      R"("last_evaluation":{"accuracy":0.3333333333333333,)"
      R"("calibration_error":0.0,"examples":0,"is_best":false,)"
      R"("loss":0.0,"step":5},"last_step":{"accuracy":0.0,)"
      R"("examples_per_second":0.0,"gradient_norm":0.0,)"
      R"("learning_rate":0.0,"loss":0.1,"step":5,"steps":1},)"
      R"("promotion":3,"result":4,"setbacks":1,"started_us":1700000,)"
      R"("state":12,"step":5,"total_steps":10})";
  EXPECT_EQ(FormatStatus(status), text);
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
  const std::string text =
      R"({"best":{"accuracy":0.0,"calibration_error":0.0,)"
      R"("examples":0,"is_best":false,"loss":0.0,"step":6},)"
      R"("evaluation":{"accuracy":0.0,"calibration_error":0.0,)"
      R"("examples":0,"is_best":false,"loss":0.0,"step":7},)"
      R"("is_best":true,"means":"c","optimizer":"b",)"
      R"("optimizer_steps":7,"stale_evaluations":2,"weights":"a"})";
  EXPECT_EQ(FormatCheckpoint(manifest), text);
  const auto read = ParseCheckpoint(text);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(FormatCheckpoint(*read), text);
  EXPECT_EQ(read->best->step, 6);
}

TEST(JobJsonTest, AlarmsAndWhatIsShownComeBack) {
  EXPECT_THAT(FormatSpec(FullSpec()), Not(HasSubstr("alarms")));
  EXPECT_THAT(FormatSpec(FullSpec()), Not(HasSubstr("observation")));
  JobSpec spec = FullSpec();
  spec.observation = {.probe_every = 3, .snr = false};
  spec.alarms = {{AlarmKind::kVanishing, AlarmAction::kFail}};
  const std::string text = FormatSpec(spec);
  EXPECT_THAT(text, HasSubstr(R"("alarms":[{"action":4,"kind":3}])"));
  EXPECT_THAT(text,
              HasSubstr(R"("observation":{"probe_every":3,"snr":false})"));
  const auto read = ParseSpec(text);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->observation, spec.observation);
  EXPECT_EQ(read->alarms, spec.alarms);
  JobStatus status;
  status.alarms = {{.kind = AlarmKind::kOverfit, .step = 4, .text = "t"}};
  status.block_names = {"layer1.00"};
  const auto told = ParseStatus(FormatStatus(status));
  ASSERT_TRUE(told.ok()) << told.status();
  EXPECT_EQ(told->alarms, status.alarms);
  EXPECT_EQ(told->block_names, status.block_names);
}

TEST(JobJsonTest, AMonitorComesBackBitForBit) {
  GradientMonitor monitor(
      {.classes = 10, .total_steps = 100, .majority_share = 0.5}, {}, {});
  for (int i = 1; i <= 60; ++i) {
    monitor.AddStep({.step = i,
                     .loss = i < 20 ? 2.0 / 3 : 100.0 / i,
                     .gradient_norm = 1.0 / 7 * i,
                     .correct = i,
                     .examples = 64});
    GradientSample sample;
    sample.step = i;
    sample.noise = GradientNoise{.signal = 0.1 * i, .noise = 1.0 / i};
    sample.blocks.resize(3);
    sample.blocks[1].parameters = ParameterNorms{
        .gradient = 1, .weights = 3, .update = i % 3 == 0 ? 1e-9 : 0.1};
    sample.all = *sample.blocks[1].parameters;
    monitor.AddSample(sample, 1);
    if (i % 20 == 0) {
      monitor.AddEvaluation({.step = i,
                             .examples = 10,
                             .loss = 1.0 / i,
                             .accuracy = 0.05,
                             .old_class_accuracy = 0.7});
    }
  }
  CheckpointManifest manifest;
  manifest.monitor = monitor.state();
  ASSERT_FALSE(manifest.monitor.active.empty());
  const auto read = ParseCheckpoint(FormatCheckpoint(manifest));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->monitor, manifest.monitor);
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

TEST(JobJsonTest, ATextThatIsNotUtf8DoesNotLoseTheRest) {
  JobStatus status;
  status.error = JobError{.reason = "INTERNAL", .text = "a\xffz"};
  const auto read = ParseStatus(FormatStatus(status));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->error->text, "a\xef\xbf\xbdz");
}

TEST(JobJsonTest, ARecipeOutOfItsRangeIsDamage) {
  JobStatus status;
  status.recipe = Recipe();
  const absl::Status read = ParseStatus(FormatStatus(status)).status();
  EXPECT_EQ(read.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(DetailsOf(read).metadata, Contains(Pair("member", "norms")));
}

TEST(JobJsonTest, ANumberThatIsNotFiniteComesBack) {
  const double infinity = std::numeric_limits<double>::infinity();
  JobStatus status;
  status.last_step = StepMetrics{.loss = infinity, .gradient_norm = -infinity};
  status.last_evaluation =
      EvaluationMetrics{.loss = std::numeric_limits<double>::quiet_NaN()};
  const auto read = ParseStatus(FormatStatus(status));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->last_step->loss, infinity);
  EXPECT_EQ(read->last_step->gradient_norm, -infinity);
  EXPECT_TRUE(std::isnan(read->last_evaluation->loss));
}

}  // namespace
}  // namespace resnetd
