#include "server/rpc/convert_job_spec.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/models/model_registry.h"
#include "server/rpc/convert_gradient.h"
#include "server/rpc/convert_recipe.h"
#include "server/rpc/proto_time.h"
#include "server/rpc/resource_name.h"
#include "server/rpc/wire_enum.h"

namespace resnetd {
namespace {

static_assert(static_cast<int>(HeadPolicy::kAuto) + 1 == v1::HEAD_POLICY_AUTO);
static_assert(static_cast<int>(HeadPolicy::kReplace) + 1 ==
              v1::HEAD_POLICY_REPLACE);
static_assert(static_cast<int>(HeadPolicy::kGrow) + 1 == v1::HEAD_POLICY_GROW);
static_assert(static_cast<int>(HeadPolicy::kKeep) + 1 == v1::HEAD_POLICY_KEEP);
static_assert(static_cast<int>(HeadPolicy::kRemap) + 1 ==
              v1::HEAD_POLICY_REMAP);
static_assert(static_cast<int>(PromotionKind::kNone) + 1 ==
              v1::PROMOTION_KIND_NONE);
static_assert(static_cast<int>(PromotionKind::kCandidate) + 1 ==
              v1::PROMOTION_KIND_CANDIDATE);
static_assert(static_cast<int>(PromotionKind::kAlias) + 1 ==
              v1::PROMOTION_KIND_ALIAS);

SplitSpec ToSplit(const v1::FineTuneJobSpec& message, Violations& violations) {
  SplitSpec split;
  if (message.has_split()) {
    split.validation = message.split().validation();
    split.test = message.split().test();
    split.seed = message.split().seed();
  }
  violations.AddErrorIn("spec.split", CheckSplit(split));
  return split;
}

ReplaySpec ToReplay(const v1::ReplaySpec& message, Violations& violations) {
  ReplaySpec replay;
  if (message.has_exemplars_per_class()) {
    replay.exemplars_per_class = message.exemplars_per_class();
    if (replay.exemplars_per_class < 0) {
      violations.Add("spec.replay.exemplars_per_class",
                     absl::StrCat("spec.replay.exemplars_per_class ",
                                  replay.exemplars_per_class,
                                  " is not a number from 0 on"));
    }
  }
  if (!message.dataset().empty()) {
    replay.dataset = violations.Take(
        "spec.replay.dataset",
        ParseDatasetName("spec.replay.dataset", message.dataset()));
  }
  replay.allow_forgetting = message.allow_forgetting();
  return replay;
}

GateRules ToGate(const v1::GateRules& message) {
  GateRules rules;
  if (message.has_min_examples()) {
    rules.min_examples = message.min_examples();
  }
  if (message.has_min_accuracy()) {
    rules.min_accuracy = message.min_accuracy();
  }
  if (message.has_margin()) {
    rules.margin = message.margin();
  }
  if (message.has_alpha()) {
    rules.alpha = message.alpha();
  }
  rules.require_better = message.require_better();
  if (message.has_max_recall_drop()) {
    rules.max_recall_drop = message.max_recall_drop();
  }
  if (message.has_min_class_examples()) {
    rules.min_class_examples = message.min_class_examples();
  }
  if (message.has_max_forgetting()) {
    rules.max_forgetting = message.max_forgetting();
  }
  if (message.has_max_calibration_error()) {
    rules.max_calibration_error = message.max_calibration_error();
  }
  if (message.has_max_latency_ratio()) {
    rules.max_latency_ratio = message.max_latency_ratio();
  }
  if (message.has_max_size_ratio()) {
    rules.max_size_ratio = message.max_size_ratio();
  }
  rules.allow_label_change = message.allow_label_change();
  return rules;
}

WatchRules ToWatch(const v1::WatchRules& message, Violations& violations) {
  WatchRules rules;
  if (message.has_duration()) {
    rules.duration = std::chrono::seconds(message.duration().seconds());
    if (message.duration().seconds() < 0 || message.duration().nanos() != 0 ||
        rules.duration > kMaxJobDuration) {
      violations.Add("spec.promotion.watch.duration",
                     absl::StrCat("spec.promotion.watch.duration is not a "
                                  "whole number of seconds from 0 for none to ",
                                  kMaxJobDuration.count()));
    }
  }
  if (message.has_min_answers()) {
    rules.min_answers = message.min_answers();
    if (rules.min_answers < 1) {
      violations.Add("spec.promotion.watch.min_answers",
                     absl::StrCat("spec.promotion.watch.min_answers ",
                                  rules.min_answers, " is not at least 1"));
    }
  }
  const auto share = [&violations](bool is_set, double value, const char* name,
                                   double& rule) {
    if (!is_set) {
      return;
    }
    rule = value;
    if (!(value >= 0 && value <= 1)) {
      const std::string field = absl::StrCat("spec.promotion.watch.", name);
      violations.Add(field,
                     absl::StrCat(field, " ", value, " is not from 0 to 1"));
    }
  };
  share(message.has_max_failure_rate(), message.max_failure_rate(),
        "max_failure_rate", rules.max_failure_rate);
  share(message.has_max_confidence_drop(), message.max_confidence_drop(),
        "max_confidence_drop", rules.max_confidence_drop);
  return rules;
}

v1::WatchRules ToProto(const WatchRules& rules) {
  v1::WatchRules message;
  *message.mutable_duration() = resnetd::ToProto(Duration(rules.duration));
  message.set_min_answers(rules.min_answers);
  message.set_max_failure_rate(rules.max_failure_rate);
  message.set_max_confidence_drop(rules.max_confidence_drop);
  return message;
}

PromotionSpec ToPromotion(const v1::PromotionSpec& message,
                          Violations& violations) {
  PromotionSpec promotion;
  promotion.kind =
      FromWire<PromotionKind>(message.kind(), "spec.promotion.kind", violations)
          .value_or(PromotionKind::kNone);
  if (!message.alias().empty()) {
    if (promotion.kind != PromotionKind::kAlias) {
      violations.Add("spec.promotion.alias",
                     "spec.promotion.alias is set without "
                     "PROMOTION_KIND_ALIAS");
    }
    promotion.alias =
        violations
            .Take("spec.promotion.alias",
                  ParseAlias("spec.promotion.alias", message.alias()))
            .value_or("");
  }
  promotion.watch = ToWatch(message.watch(), violations);
  return promotion;
}

std::chrono::seconds ToMaxDuration(const google::protobuf::Duration& message,
                                   Violations& violations) {
  if (message.seconds() < 0 || message.nanos() != 0 ||
      message.seconds() > kMaxJobDuration.count()) {
    violations.Add("spec.max_duration",
                   absl::StrCat("spec.max_duration is not a whole number of "
                                "seconds from 0 for no limit to ",
                                kMaxJobDuration.count()));
    return std::chrono::seconds(0);
  }
  return std::chrono::seconds(message.seconds());
}

ServingGuard ToGuard(const v1::ServingGuard& message, Violations& violations) {
  ServingGuard guard;
  if (message.has_max_p99()) {
    const auto p99 =
        std::chrono::duration_cast<std::chrono::nanoseconds>(
            std::chrono::seconds(std::clamp<std::int64_t>(
                message.max_p99().seconds(), -1, kMaxGuardP99.count()))) +
        std::chrono::nanoseconds(message.max_p99().nanos());
    guard.max_p99 = std::chrono::duration_cast<std::chrono::milliseconds>(p99);
    if (*guard.max_p99 != p99 || p99 < std::chrono::milliseconds(1) ||
        p99 > kMaxGuardP99 ||
        message.max_p99().seconds() > kMaxGuardP99.count()) {
      violations.Add("spec.serving_guard.max_p99",
                     absl::StrCat("spec.serving_guard.max_p99 is not a whole "
                                  "number of milliseconds from 1 to ",
                                  kMaxGuardP99.count(), " s"));
    }
  }
  guard.max_queue = message.max_queue();
  if (guard.max_queue < 0) {
    violations.Add(
        "spec.serving_guard.max_queue",
        absl::StrCat("spec.serving_guard.max_queue ", guard.max_queue,
                     " is not a number of calls, or 0 for any"));
  }
  return guard;
}

// A base, or an architecture with its input size.
void CheckBase(const v1::FineTuneJobSpec& message, Violations& violations) {
  if (message.base_version() < 0) {
    violations.Add("spec.base_version",
                   absl::StrCat("spec.base_version ", message.base_version(),
                                " is not 0 for the one that answers, or a "
                                "version from 1 on"));
  }
  if (message.architecture().empty()) {
    if (message.input_size() != 0) {
      violations.Add("spec.input_size",
                     "spec.input_size is set without spec.architecture: a base "
                     "has its own");
    }
    return;
  }
  if (message.base_version() > 0) {
    violations.Add("spec.base_version",
                   "spec.base_version and spec.architecture are both set: "
                   "fine-tune the one, or train the other from scratch");
  }
  if (message.input_size() < 1) {
    violations.Add("spec.input_size",
                   absl::StrCat("spec.input_size ", message.input_size(),
                                " is not a number of pixels from 1 on, which "
                                "spec.architecture needs"));
  }
}

void CheckDisplayName(const std::string& name, Violations& violations) {
  if (name.size() > kMaxDisplayNameBytes) {
    violations.Add(
        "spec.display_name",
        absl::StrCat("spec.display_name has ", name.size(), " bytes, at most ",
                     kMaxDisplayNameBytes, " are accepted"));
  }
  if (std::any_of(name.begin(), name.end(), [](char c) {
        return absl::ascii_iscntrl(static_cast<unsigned char>(c));
      })) {
    violations.Add("spec.display_name",
                   "spec.display_name has control characters");
  }
}

v1::GateRules ToProto(const GateRules& rules) {
  v1::GateRules message;
  message.set_min_examples(rules.min_examples);
  message.set_min_accuracy(rules.min_accuracy);
  message.set_margin(rules.margin);
  message.set_alpha(rules.alpha);
  message.set_require_better(rules.require_better);
  message.set_max_recall_drop(rules.max_recall_drop);
  message.set_min_class_examples(rules.min_class_examples);
  message.set_max_forgetting(rules.max_forgetting);
  message.set_max_calibration_error(rules.max_calibration_error);
  message.set_max_latency_ratio(rules.max_latency_ratio);
  message.set_max_size_ratio(rules.max_size_ratio);
  message.set_allow_label_change(rules.allow_label_change);
  return message;
}

}  // namespace

JobSpec ToJobSpec(const v1::FineTuneJobSpec& message, Violations& violations) {
  const std::optional<ModelName> model = violations.Take(
      "spec.model", ParseModelName("spec.model", message.model()));
  const std::optional<DatasetName> dataset = violations.Take(
      "spec.dataset", ParseDatasetName("spec.dataset", message.dataset()));
  // Any names, so that the other fields are looked at too.
  JobSpec spec{
      .model = model ? *model : ModelName::Parse("unnamed").value(),
      .dataset = dataset ? *dataset : DatasetName::Parse("unnamed").value()};
  CheckBase(message, violations);
  if (message.base_version() > 0) {
    spec.base = VersionNumber{message.base_version()};
  }
  spec.architecture = message.architecture();
  spec.input_size = message.input_size();
  spec.split = ToSplit(message, violations);
  spec.head = FromWire<HeadPolicy>(message.head(), "spec.head", violations)
                  .value_or(HeadPolicy::kAuto);
  spec.replay = ToReplay(message.replay(), violations);
  spec.recipe = ToRecipeRequest(message.recipe(), "spec.recipe", violations);
  violations.AddErrorIn("spec", Validate(spec.recipe));
  spec.promotion = ToPromotion(message.promotion(), violations);
  spec.gate = ToGate(message.gate());
  violations.AddErrorIn("spec", Validate(spec.gate));
  spec.guard = ToGuard(message.serving_guard(), violations);
  spec.observation = ToObservation(message.observation(), violations);
  spec.alarms = ToAlarms(message.alarms(), violations);
  spec.max_duration = ToMaxDuration(message.max_duration(), violations);
  CheckDisplayName(message.display_name(), violations);
  spec.display_name = message.display_name();
  return spec;
}

v1::FineTuneJobSpec ToProto(const JobSpec& spec) {
  v1::FineTuneJobSpec message;
  message.set_model(ResourceName(spec.model));
  message.set_base_version(spec.base ? spec.base->value : 0);
  message.set_architecture(spec.architecture);
  message.set_input_size(spec.input_size);
  message.set_dataset(ResourceName(spec.dataset));
  message.mutable_split()->set_validation(spec.split.validation);
  message.mutable_split()->set_test(spec.split.test);
  message.mutable_split()->set_seed(spec.split.seed);
  message.set_head(ToWire<v1::HeadPolicy>(spec.head));
  v1::ReplaySpec& replay = *message.mutable_replay();
  replay.set_exemplars_per_class(spec.replay.exemplars_per_class);
  replay.set_dataset(spec.replay.dataset ? ResourceName(*spec.replay.dataset)
                                         : "");
  replay.set_allow_forgetting(spec.replay.allow_forgetting);
  *message.mutable_recipe() = ToProto(spec.recipe);
  *message.mutable_gate() = ToProto(spec.gate);
  v1::PromotionSpec& promotion = *message.mutable_promotion();
  promotion.set_kind(ToWire<v1::PromotionKind>(spec.promotion.kind));
  if (spec.promotion.kind == PromotionKind::kAlias) {
    promotion.set_alias(spec.promotion.alias);
    *promotion.mutable_watch() = ToProto(spec.promotion.watch);
  }
  if (spec.guard.max_p99 || spec.guard.max_queue > 0) {
    v1::ServingGuard& guard = *message.mutable_serving_guard();
    if (spec.guard.max_p99) {
      *guard.mutable_max_p99() = ToProto(*spec.guard.max_p99);
    }
    guard.set_max_queue(spec.guard.max_queue);
  }
  *message.mutable_observation() = ToProto(spec.observation);
  for (const AlarmSetting& setting : spec.alarms) {
    *message.add_alarms() = ToProto(setting);
  }
  if (spec.max_duration > std::chrono::seconds(0)) {
    *message.mutable_max_duration() = ToProto(spec.max_duration);
  }
  message.set_display_name(spec.display_name);
  return message;
}

}  // namespace resnetd
