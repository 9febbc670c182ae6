#include "server/rpc/convert_job_spec.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "server/base/error.h"

namespace resnetd {
namespace {

using google::protobuf::util::MessageDifferencer;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Key;

using Edit = std::function<void(v1::FineTuneJobSpec&)>;

v1::FineTuneJobSpec Least() {
  v1::FineTuneJobSpec message;
  message.set_model("models/digits");
  message.set_dataset("datasets/photos");
  return message;
}

// Every field, with a value that is not its default.
v1::FineTuneJobSpec Full() {
  v1::FineTuneJobSpec message = Least();
  message.set_base_version(3);
  message.mutable_split()->set_validation(0.25);
  message.mutable_split()->set_test(0.125);
  message.mutable_split()->set_seed(7);
  message.set_head(v1::HEAD_POLICY_GROW);
  message.mutable_replay()->set_exemplars_per_class(5);
  message.mutable_replay()->set_dataset("datasets/old");
  message.mutable_replay()->set_allow_forgetting(true);
  message.mutable_recipe()->set_rate(0.5);
  v1::GateRules& gate = *message.mutable_gate();
  gate.set_min_examples(1);
  gate.set_min_accuracy(0.1);
  gate.set_margin(0.2);
  gate.set_alpha(0.3);
  gate.set_require_better(true);
  gate.set_max_recall_drop(0.4);
  gate.set_min_class_examples(2);
  gate.set_max_forgetting(0.5);
  gate.set_max_calibration_error(0.6);
  gate.set_max_latency_ratio(3);
  gate.set_max_size_ratio(4);
  gate.set_allow_label_change(true);
  message.mutable_promotion()->set_kind(v1::PROMOTION_KIND_ALIAS);
  message.mutable_promotion()->set_alias("canary");
  v1::WatchRules& watch = *message.mutable_promotion()->mutable_watch();
  watch.mutable_duration()->set_seconds(300);
  watch.set_min_answers(7);
  watch.set_max_failure_rate(0.125);
  watch.set_max_confidence_drop(0.5);
  message.mutable_serving_guard()->mutable_max_p99()->set_seconds(1);
  message.mutable_serving_guard()->mutable_max_p99()->set_nanos(50'000'000);
  message.mutable_serving_guard()->set_max_queue(12);
  message.mutable_observation()->set_probe_every(3);
  message.mutable_observation()->set_snr(false);
  v1::AlarmSetting& setting = *message.add_alarms();
  setting.set_kind(v1::ALARM_KIND_VANISHING);
  setting.set_action(v1::ALARM_ACTION_FAIL);
  message.mutable_max_duration()->set_seconds(60);
  message.set_display_name("Katzen für alle");
  return message;
}

std::vector<std::pair<std::string, std::string>> ViolationsOf(
    const v1::FineTuneJobSpec& message) {
  Violations violations;
  ToJobSpec(message, violations);
  return DetailsOf(violations.ToStatus()).violations;
}

JobSpec Read(const v1::FineTuneJobSpec& message) {
  Violations violations;
  JobSpec spec = ToJobSpec(message, violations);
  EXPECT_TRUE(violations.empty()) << violations.ToStatus();
  return spec;
}

TEST(ConvertJobSpecTest, EveryFieldComesThroughBothWays) {
  const v1::FineTuneJobSpec message = Full();
  const JobSpec spec = Read(message);
  EXPECT_EQ(spec.model.text(), "digits");
  EXPECT_EQ(spec.base, VersionNumber{3});
  EXPECT_EQ(spec.dataset.text(), "photos");
  EXPECT_EQ(spec.split.validation, 0.25);
  EXPECT_EQ(spec.split.test, 0.125);
  EXPECT_EQ(spec.split.seed, 7U);
  EXPECT_EQ(spec.head, HeadPolicy::kGrow);
  EXPECT_EQ(spec.replay.exemplars_per_class, 5);
  EXPECT_EQ(spec.replay.dataset->text(), "old");
  EXPECT_TRUE(spec.replay.allow_forgetting);
  EXPECT_EQ(spec.recipe.rate, 0.5);
  EXPECT_EQ(spec.gate.min_examples, 1);
  EXPECT_EQ(spec.gate.min_accuracy, 0.1);
  EXPECT_EQ(spec.gate.margin, 0.2);
  EXPECT_EQ(spec.gate.alpha, 0.3);
  EXPECT_TRUE(spec.gate.require_better);
  EXPECT_EQ(spec.gate.max_recall_drop, 0.4);
  EXPECT_EQ(spec.gate.min_class_examples, 2);
  EXPECT_EQ(spec.gate.max_forgetting, 0.5);
  EXPECT_EQ(spec.gate.max_calibration_error, 0.6);
  EXPECT_EQ(spec.gate.max_latency_ratio, 3);
  EXPECT_EQ(spec.gate.max_size_ratio, 4);
  EXPECT_TRUE(spec.gate.allow_label_change);
  EXPECT_EQ(spec.promotion.kind, PromotionKind::kAlias);
  EXPECT_EQ(spec.promotion.alias, "canary");
  EXPECT_EQ(spec.promotion.watch.duration, std::chrono::seconds(300));
  EXPECT_EQ(spec.promotion.watch.min_answers, 7);
  EXPECT_EQ(spec.promotion.watch.max_failure_rate, 0.125);
  EXPECT_EQ(spec.promotion.watch.max_confidence_drop, 0.5);
  EXPECT_EQ(spec.guard.max_p99, std::chrono::milliseconds(1'050));
  EXPECT_EQ(spec.guard.max_queue, 12);
  EXPECT_EQ(spec.observation,
            (ObservationSpec{.probe_every = 3, .snr = false}));
  EXPECT_EQ(
      spec.alarms,
      (std::vector<AlarmSetting>{{AlarmKind::kVanishing, AlarmAction::kFail}}));
  EXPECT_EQ(spec.max_duration, std::chrono::minutes(1));
  EXPECT_EQ(spec.display_name, "Katzen für alle");
  EXPECT_TRUE(MessageDifferencer::Equals(ToProto(spec), message))
      << ToProto(spec).DebugString();
}

TEST(ConvertJobSpecTest, TrainsFromScratch) {
  v1::FineTuneJobSpec message = Least();
  message.set_architecture("resnet18");
  message.set_input_size(32);
  const JobSpec spec = Read(message);
  EXPECT_FALSE(spec.base);
  EXPECT_EQ(spec.architecture, "resnet18");
  EXPECT_EQ(spec.input_size, 32);
  EXPECT_EQ(ToProto(spec).architecture(), "resnet18");
  EXPECT_EQ(ToProto(spec).input_size(), 32);
}

TEST(ConvertJobSpecTest, WhatIsAbsentIsTheDefault) {
  const JobSpec spec = Read(Least());
  EXPECT_FALSE(spec.base);
  EXPECT_EQ(spec.split.validation, SplitSpec().validation);
  EXPECT_EQ(spec.head, HeadPolicy::kAuto);
  EXPECT_EQ(spec.replay.exemplars_per_class, 20);
  EXPECT_FALSE(spec.replay.dataset);
  EXPECT_FALSE(spec.replay.allow_forgetting);
  EXPECT_EQ(spec.gate.min_examples, GateRules().min_examples);
  EXPECT_EQ(spec.gate.max_size_ratio, GateRules().max_size_ratio);
  EXPECT_EQ(spec.promotion.kind, PromotionKind::kNone);
  EXPECT_EQ(spec.promotion.alias, "stable");
  EXPECT_EQ(spec.max_duration, std::chrono::seconds(0));
}

TEST(ConvertJobSpecTest, EveryValueOfTheEnumsComesThrough) {
  for (const auto& [wire, domain] :
       std::vector<std::pair<v1::HeadPolicy, HeadPolicy>>{
           {v1::HEAD_POLICY_AUTO, HeadPolicy::kAuto},
           {v1::HEAD_POLICY_KEEP, HeadPolicy::kKeep},
           {v1::HEAD_POLICY_GROW, HeadPolicy::kGrow},
           {v1::HEAD_POLICY_REPLACE, HeadPolicy::kReplace},
           {v1::HEAD_POLICY_REMAP, HeadPolicy::kRemap}}) {
    v1::FineTuneJobSpec message = Least();
    message.set_head(wire);
    EXPECT_EQ(Read(message).head, domain);
    EXPECT_EQ(ToProto(Read(message)).head(), wire);
  }
  for (const auto& [wire, domain] :
       std::vector<std::pair<v1::PromotionKind, PromotionKind>>{
           {v1::PROMOTION_KIND_NONE, PromotionKind::kNone},
           {v1::PROMOTION_KIND_CANDIDATE, PromotionKind::kCandidate},
           {v1::PROMOTION_KIND_ALIAS, PromotionKind::kAlias}}) {
    v1::FineTuneJobSpec message = Least();
    message.mutable_promotion()->set_kind(wire);
    EXPECT_EQ(Read(message).promotion.kind, domain);
    EXPECT_EQ(ToProto(Read(message)).promotion().kind(), wire);
  }
}

TEST(ConvertJobSpecTest, NamesEachFieldThatIsWrong) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const std::vector<std::pair<std::string, Edit>> wrong = {
      {"spec.model", [](auto& m) { m.set_model("digits"); }},
      {"spec.dataset", [](auto& m) { m.set_dataset("photos"); }},
      {"spec.base_version", [](auto& m) { m.set_base_version(-1); }},
      {"spec.base_version",
       [](auto& m) {
         m.set_base_version(1);
         m.set_architecture("resnet18");
         m.set_input_size(32);
       }},
      {"spec.input_size", [](auto& m) { m.set_input_size(32); }},
      {"spec.input_size", [](auto& m) { m.set_architecture("resnet18"); }},
      {"spec.split.validation",
       [](auto& m) { m.mutable_split()->set_validation(-0.1); }},
      {"spec.split.test", [](auto& m) { m.mutable_split()->set_test(1); }},
      {"spec.head",
       [](auto& m) { m.set_head(static_cast<v1::HeadPolicy>(6)); }},
      {"spec.replay.exemplars_per_class",
       [](auto& m) { m.mutable_replay()->set_exemplars_per_class(-1); }},
      {"spec.replay.dataset",
       [](auto& m) { m.mutable_replay()->set_dataset("models/old"); }},
      {"spec.recipe.rate", [](auto& m) { m.mutable_recipe()->set_rate(-1); }},
      {"spec.recipe.layers",
       [](auto& m) {
         m.mutable_recipe()->set_layers(static_cast<v1::LayerPolicy>(9));
       }},
      {"spec.gate.min_examples",
       [](auto& m) { m.mutable_gate()->set_min_examples(0); }},
      {"spec.gate.min_class_examples",
       [](auto& m) { m.mutable_gate()->set_min_class_examples(-1); }},
      {"spec.gate.min_accuracy",
       [](auto& m) { m.mutable_gate()->set_min_accuracy(1.01); }},
      {"spec.gate.margin",
       [](auto& m) { m.mutable_gate()->set_margin(-0.01); }},
      {"spec.gate.alpha", [](auto& m) { m.mutable_gate()->set_alpha(kNan); }},
      {"spec.gate.max_recall_drop",
       [](auto& m) { m.mutable_gate()->set_max_recall_drop(2); }},
      {"spec.gate.max_forgetting",
       [](auto& m) { m.mutable_gate()->set_max_forgetting(-2); }},
      {"spec.gate.max_calibration_error",
       [](auto& m) { m.mutable_gate()->set_max_calibration_error(kNan); }},
      {"spec.gate.max_latency_ratio",
       [](auto& m) { m.mutable_gate()->set_max_latency_ratio(kInfinity); }},
      {"spec.gate.max_size_ratio",
       [](auto& m) { m.mutable_gate()->set_max_size_ratio(0); }},
      {"spec.promotion.kind",
       [](auto& m) {
         m.mutable_promotion()->set_kind(static_cast<v1::PromotionKind>(4));
       }},
      {"spec.promotion.alias",
       [](auto& m) {
         m.mutable_promotion()->set_kind(v1::PROMOTION_KIND_ALIAS);
         m.mutable_promotion()->set_alias("Not OK");
       }},
      {"spec.promotion.alias",
       [](auto& m) { m.mutable_promotion()->set_alias("stable"); }},
      {"spec.promotion.watch.duration",
       [](auto& m) {
         m.mutable_promotion()->mutable_watch()->mutable_duration()->set_nanos(
             1);
       }},
      {"spec.promotion.watch.duration",
       [](auto& m) {
         m.mutable_promotion()
             ->mutable_watch()
             ->mutable_duration()
             ->set_seconds(kMaxJobDuration.count() + 1);
       }},
      {"spec.promotion.watch.min_answers",
       [](auto& m) {
         m.mutable_promotion()->mutable_watch()->set_min_answers(0);
       }},
      {"spec.promotion.watch.max_failure_rate",
       [](auto& m) {
         m.mutable_promotion()->mutable_watch()->set_max_failure_rate(kNan);
       }},
      {"spec.promotion.watch.max_confidence_drop",
       [](auto& m) {
         m.mutable_promotion()->mutable_watch()->set_max_confidence_drop(1.01);
       }},
      {"spec.serving_guard.max_p99",
       [](auto& m) { m.mutable_serving_guard()->mutable_max_p99(); }},
      {"spec.serving_guard.max_p99",
       [](auto& m) {
         m.mutable_serving_guard()->mutable_max_p99()->set_seconds(-1);
       }},
      {"spec.serving_guard.max_p99",
       [](auto& m) {
         m.mutable_serving_guard()->mutable_max_p99()->set_nanos(1'500'000);
       }},
      {"spec.serving_guard.max_p99",
       [](auto& m) {
         auto& p99 = *m.mutable_serving_guard()->mutable_max_p99();
         p99.set_seconds(kMaxGuardP99.count());
         p99.set_nanos(1'000'000);
       }},
      {"spec.serving_guard.max_p99",
       [](auto& m) {
         m.mutable_serving_guard()->mutable_max_p99()->set_seconds(
             std::numeric_limits<std::int64_t>::max());
       }},
      {"spec.serving_guard.max_queue",
       [](auto& m) { m.mutable_serving_guard()->set_max_queue(-1); }},
      {"spec.max_duration",
       [](auto& m) { m.mutable_max_duration()->set_seconds(-1); }},
      {"spec.max_duration",
       [](auto& m) { m.mutable_max_duration()->set_nanos(1); }},
      {"spec.max_duration",
       [](auto& m) {
         m.mutable_max_duration()->set_seconds(kMaxJobDuration.count() + 1);
       }},
      {"spec.display_name",
       [](auto& m) {
         m.set_display_name(std::string(kMaxDisplayNameBytes + 1, 'a'));
       }},
      {"spec.display_name", [](auto& m) { m.set_display_name("a\nb"); }},
  };
  for (const auto& [field, edit] : wrong) {
    v1::FineTuneJobSpec message = Least();
    edit(message);
    EXPECT_THAT(ViolationsOf(message), ElementsAre(Key(field)))
        << message.ShortDebugString();
  }
}

TEST(ConvertJobSpecTest, NamesEverythingAtOnce) {
  v1::FineTuneJobSpec message;
  message.set_input_size(-1);
  message.mutable_split()->set_validation(2);
  message.mutable_recipe()->set_rate(-1);
  message.mutable_recipe()->set_momentum(1);
  message.mutable_gate()->set_alpha(2);
  message.mutable_max_duration()->set_nanos(5);
  const auto found = ViolationsOf(message);
  for (const char* field :
       {"spec.model", "spec.dataset", "spec.input_size",
        "spec.split.validation", "spec.recipe.rate", "spec.recipe.momentum",
        "spec.gate.alpha", "spec.max_duration"}) {
    EXPECT_THAT(found, Contains(Key(field)));
  }
}

TEST(ConvertJobSpecTest, TakesWhatLiesAtTheLimits) {
  const std::vector<Edit> right = {
      [](auto& m) { m.set_display_name(std::string(127, 'a')); },
      [](auto& m) { m.set_display_name(std::string(128, 'a')); },
      [](auto& m) {
        m.mutable_max_duration()->set_seconds(kMaxJobDuration.count() - 1);
      },
      [](auto& m) {
        m.mutable_max_duration()->set_seconds(kMaxJobDuration.count());
      },
      [](auto& m) {
        m.mutable_serving_guard()->mutable_max_p99()->set_nanos(1'000'000);
      },
      [](auto& m) {
        m.mutable_serving_guard()->mutable_max_p99()->set_seconds(
            kMaxGuardP99.count());
      },
      [](auto& m) { m.mutable_serving_guard()->set_max_queue(0); },
      [](auto& m) { m.mutable_serving_guard()->set_max_queue(1); },
      [](auto& m) { m.mutable_replay()->set_exemplars_per_class(0); },
      [](auto& m) { m.mutable_gate()->set_margin(0); },
      [](auto& m) { m.mutable_gate()->set_margin(1); },
      [](auto& m) { m.mutable_gate()->set_min_examples(1); },
      [](auto& m) {
        m.set_architecture("resnet18");
        m.set_input_size(1);
      },
  };
  for (const Edit& edit : right) {
    v1::FineTuneJobSpec message = Least();
    edit(message);
    EXPECT_THAT(ViolationsOf(message), IsEmpty()) << message.ShortDebugString();
  }
}

TEST(ConvertJobSpecTest, ContradictoryRecipesKeepTheirReason) {
  v1::FineTuneJobSpec message = Least();
  message.mutable_recipe()->set_max_steps(10);
  message.mutable_recipe()->set_epochs(2);
  Violations violations;
  ToJobSpec(message, violations);
  EXPECT_EQ(DetailsOf(violations.ToStatus()).reason, "RECIPE_INVALID");
}

}  // namespace
}  // namespace resnetd
