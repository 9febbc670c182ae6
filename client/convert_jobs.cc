#include <optional>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/convert.h"
#include "client/gradient_convert.h"
#include "client/job_convert.h"

namespace resnetd::client {
namespace {

using client::FromProto;

// The enums have the same numbers on both sides.
static_assert(static_cast<int>(JobState::kCancelled) ==
              v1::JOB_STATE_CANCELLED);
static_assert(static_cast<int>(HeadPolicy::kRemap) == v1::HEAD_POLICY_REMAP);
static_assert(static_cast<int>(PromotionKind::kAlias) ==
              v1::PROMOTION_KIND_ALIAS);
static_assert(static_cast<int>(PromotionState::kRolledBack) ==
              v1::PROMOTION_STATE_ROLLED_BACK);
static_assert(static_cast<int>(JobEventKind::kAlarmCleared) ==
              v1::JOB_EVENT_KIND_ALARM_CLEARED);

// kUnknown for a value that is not known here.
template <typename Value, typename Wire>
Value FromWire(Wire wire, Value last) {
  return static_cast<int>(wire) > static_cast<int>(last)
             ? static_cast<Value>(0)
             : static_cast<Value>(wire);
}

JobState FromWire(v1::JobState state) {
  return FromWire(state, JobState::kCancelled);
}

StepMetrics FromProto(const v1::StepMetrics& message) {
  return {.step = message.step(),
          .steps = message.steps(),
          .loss = message.loss(),
          .accuracy = message.accuracy(),
          .gradient_norm = message.gradient_norm(),
          .learning_rate = message.learning_rate(),
          .examples_per_second = message.examples_per_second()};
}

EvaluationMetrics FromProto(const v1::EvaluationMetrics& message) {
  EvaluationMetrics metrics = {.step = message.step(),
                               .examples = message.examples(),
                               .loss = message.loss(),
                               .accuracy = message.accuracy(),
                               .calibration_error = message.calibration_error(),
                               .is_best = message.is_best()};
  if (message.has_old_class_accuracy()) {
    metrics.old_class_accuracy = message.old_class_accuracy();
  }
  if (message.has_new_class_accuracy()) {
    metrics.new_class_accuracy = message.new_class_accuracy();
  }
  return metrics;
}

v1::GateRules ToProto(const GateRules& rules) {
  v1::GateRules message;
  const auto set = [&message](const auto& value, auto setter) {
    if (value) {
      (message.*setter)(*value);
    }
  };
  using Wire = v1::GateRules;
  set(rules.min_examples, &Wire::set_min_examples);
  set(rules.min_accuracy, &Wire::set_min_accuracy);
  set(rules.margin, &Wire::set_margin);
  set(rules.alpha, &Wire::set_alpha);
  message.set_require_better(rules.require_better);
  set(rules.max_recall_drop, &Wire::set_max_recall_drop);
  set(rules.min_class_examples, &Wire::set_min_class_examples);
  set(rules.max_forgetting, &Wire::set_max_forgetting);
  set(rules.max_calibration_error, &Wire::set_max_calibration_error);
  set(rules.max_latency_ratio, &Wire::set_max_latency_ratio);
  set(rules.max_size_ratio, &Wire::set_max_size_ratio);
  message.set_allow_label_change(rules.allow_label_change);
  return message;
}

// A server says all of them.
GateRules FromProto(const v1::GateRules& message) {
  return {.min_examples = message.min_examples(),
          .min_accuracy = message.min_accuracy(),
          .margin = message.margin(),
          .alpha = message.alpha(),
          .require_better = message.require_better(),
          .max_recall_drop = message.max_recall_drop(),
          .min_class_examples = message.min_class_examples(),
          .max_forgetting = message.max_forgetting(),
          .max_calibration_error = message.max_calibration_error(),
          .max_latency_ratio = message.max_latency_ratio(),
          .max_size_ratio = message.max_size_ratio(),
          .allow_label_change = message.allow_label_change()};
}

WatchRules FromProto(const v1::WatchRules& message) {
  WatchRules rules;
  if (message.has_duration()) {
    rules.duration = std::chrono::duration_cast<std::chrono::seconds>(
        client::FromProto(message.duration()));
  }
  if (message.has_min_answers()) {
    rules.min_answers = message.min_answers();
  }
  if (message.has_max_failure_rate()) {
    rules.max_failure_rate = message.max_failure_rate();
  }
  if (message.has_max_confidence_drop()) {
    rules.max_confidence_drop = message.max_confidence_drop();
  }
  return rules;
}

v1::WatchRules ToProto(const WatchRules& rules) {
  v1::WatchRules message;
  if (rules.duration) {
    message.mutable_duration()->set_seconds(rules.duration->count());
  }
  if (rules.min_answers) {
    message.set_min_answers(*rules.min_answers);
  }
  if (rules.max_failure_rate) {
    message.set_max_failure_rate(*rules.max_failure_rate);
  }
  if (rules.max_confidence_drop) {
    message.set_max_confidence_drop(*rules.max_confidence_drop);
  }
  return message;
}

ServingGuard FromProto(const v1::ServingGuard& message) {
  ServingGuard guard;
  if (message.max_queue() > 0) {
    guard.max_queue = message.max_queue();
  }
  if (message.has_max_p99()) {
    guard.max_p99 = std::chrono::duration_cast<std::chrono::milliseconds>(
        client::FromProto(message.max_p99()));
  }
  return guard;
}

std::vector<AlarmSetting> SettingsOf(const v1::FineTuneJobSpec& message) {
  std::vector<AlarmSetting> settings;
  for (const v1::AlarmSetting& setting : message.alarms()) {
    settings.push_back(FromProto(setting));
  }
  return settings;
}

JobSpec FromProto(const v1::FineTuneJobSpec& message) {
  return {
      .model = message.model(),
      .base_version = message.base_version(),
      .architecture = message.architecture(),
      .input_size = message.input_size(),
      .dataset = message.dataset(),
      .split = SplitSpec{.validation = message.split().validation(),
                         .test = message.split().test(),
                         .seed = message.split().seed()},
      .head = FromWire(message.head(), HeadPolicy::kRemap),
      .replay = {.exemplars_per_class = message.replay().exemplars_per_class(),
                 .dataset = message.replay().dataset(),
                 .allow_forgetting = message.replay().allow_forgetting()},
      .recipe = FromProto(message.recipe()),
      .gate = FromProto(message.gate()),
      .promotion = FromWire(message.promotion().kind(), PromotionKind::kAlias),
      .alias = message.promotion().alias(),
      .watch = FromProto(message.promotion().watch()),
      .guard = FromProto(message.serving_guard()),
      .observation = FromProto(message.observation()),
      .alarms = SettingsOf(message),
      .max_duration = std::chrono::duration_cast<std::chrono::seconds>(
          client::FromProto(message.max_duration())),
      .display_name = message.display_name()};
}

JobStatus FromProto(const v1::FineTuneJobStatus& message) {
  JobStatus status = {
      .state = FromWire(message.state()),
      .step = message.step(),
      .total_steps = message.total_steps(),
      .attempt = message.attempt(),
      .setbacks = message.setbacks(),
      .config_hash = message.config_hash(),
      .dataset_digest = message.dataset_digest(),
      .base_weights_sha256 = message.base_weights_sha256(),
      .result_version = message.result_version(),
      .promotion = FromWire(message.promotion(), PromotionState::kRolledBack),
      .environment = message.environment(),
      .queue_position = message.queue_position(),
      .waiting_for = message.waiting_for(),
      // A server that does not say it does not throttle.
      .duty = message.duty() > 0 ? message.duty() : 1};
  const auto take = [](bool has, const auto& part, auto& out) {
    if (has) {
      out = FromProto(part);
    }
  };
  take(message.has_start_time(), message.start_time(), status.start_time);
  take(message.has_end_time(), message.end_time(), status.end_time);
  take(message.has_watched_until(), message.watched_until(),
       status.watched_until);
  take(message.has_recipe(), message.recipe(), status.recipe);
  take(message.has_last_step(), message.last_step(), status.last_step);
  take(message.has_last_evaluation(), message.last_evaluation(),
       status.last_evaluation);
  take(message.has_best_evaluation(), message.best_evaluation(),
       status.best_evaluation);
  take(message.has_gate(), message.gate(), status.gate);
  if (message.has_error()) {
    status.error = JobError{.reason = message.error().reason(),
                            .message = message.error().message()};
  }
  for (const v1::ActiveAlarm& alarm : message.alarms()) {
    status.alarms.push_back(FromProto(alarm));
  }
  return status;
}

JobEventBody BodyOf(const v1::JobEvent& message) {
  switch (message.body_case()) {
    case v1::JobEvent::kStateChanged:
      return StateChanged{.from = FromWire(message.state_changed().from()),
                          .to = FromWire(message.state_changed().to()),
                          .message = message.state_changed().message()};
    case v1::JobEvent::kStepMetrics:
      return FromProto(message.step_metrics());
    case v1::JobEvent::kEvaluation:
      return FromProto(message.evaluation());
    case v1::JobEvent::kCheckpointSaved:
      return CheckpointSaved{
          .step = message.checkpoint_saved().step(),
          .size_bytes = message.checkpoint_saved().size_bytes(),
          .is_best = message.checkpoint_saved().is_best()};
    case v1::JobEvent::kRecovered:
      return Recovered{.from_step = message.recovered().from_step(),
                       .to_step = message.recovered().to_step(),
                       .rate_factor = message.recovered().rate_factor(),
                       .message = message.recovered().message()};
    case v1::JobEvent::kThrottled:
      return Throttled{.duty = message.throttled().duty()};
    case v1::JobEvent::kGateVerdict:
      return FromProto(message.gate_verdict());
    case v1::JobEvent::kPromoted:
      return Promoted{
          .alias = message.promoted().alias(),
          .version = message.promoted().version(),
          .previous_version = message.promoted().previous_version()};
    case v1::JobEvent::kLogLine:
      return LogLine{.text = message.log_line().text(),
                     .is_warning = message.log_line().is_warning()};
    case v1::JobEvent::kBlockGradients:
      return BlockGradients{.sample =
                                FromProto(message.block_gradients().sample())};
    case v1::JobEvent::kAlarmRaised:
      return FromProto(message.alarm_raised());
    case v1::JobEvent::kAlarmCleared:
      return FromProto(message.alarm_cleared());
    case v1::JobEvent::BODY_NOT_SET:  // A newer server may know more of them.
      break;
  }
  return std::monostate();
}

}  // namespace

GateVerdict FromProto(const v1::GateVerdict& message) {
  GateVerdict verdict = {.passed = message.passed(),
                         .is_better = message.is_better()};
  for (const v1::GateCriterion& criterion : message.criteria()) {
    GateCriterion& out = verdict.criteria.emplace_back();
    out.name = criterion.name();
    if (criterion.has_value()) {
      out.value = criterion.value();
    }
    out.bound = criterion.bound();
    out.passed = criterion.passed();
    out.text = criterion.text();
  }
  return verdict;
}

std::string JobResource(absl::string_view name) {
  return absl::StartsWith(name, "jobs/") ? std::string(name)
                                         : absl::StrCat("jobs/", name);
}

v1::FineTuneJobSpec ToProto(const JobSpec& spec) {
  v1::FineTuneJobSpec message;
  message.set_model(ModelResource(spec.model));
  message.set_base_version(spec.base_version);
  message.set_architecture(spec.architecture);
  message.set_input_size(spec.input_size);
  message.set_dataset(DatasetResource(spec.dataset));
  if (spec.split) {
    message.mutable_split()->set_validation(spec.split->validation);
    message.mutable_split()->set_test(spec.split->test);
    message.mutable_split()->set_seed(spec.split->seed);
  }
  message.set_head(static_cast<v1::HeadPolicy>(spec.head));
  v1::ReplaySpec& replay = *message.mutable_replay();
  if (spec.replay.exemplars_per_class) {
    replay.set_exemplars_per_class(*spec.replay.exemplars_per_class);
  }
  if (!spec.replay.dataset.empty()) {
    replay.set_dataset(DatasetResource(spec.replay.dataset));
  }
  replay.set_allow_forgetting(spec.replay.allow_forgetting);
  *message.mutable_recipe() = ToProto(spec.recipe);
  *message.mutable_gate() = ToProto(spec.gate);
  message.mutable_promotion()->set_kind(
      static_cast<v1::PromotionKind>(spec.promotion));
  message.mutable_promotion()->set_alias(spec.alias);
  const WatchRules& watch = spec.watch;
  if (watch.duration || watch.min_answers || watch.max_failure_rate ||
      watch.max_confidence_drop) {
    *message.mutable_promotion()->mutable_watch() = ToProto(watch);
  }
  if (spec.guard.max_p99) {
    *message.mutable_serving_guard()->mutable_max_p99() =
        ToProto(*spec.guard.max_p99);
  }
  if (spec.guard.max_queue) {
    message.mutable_serving_guard()->set_max_queue(*spec.guard.max_queue);
  }
  if (spec.observation.probe_every || spec.observation.snr) {
    *message.mutable_observation() = ToProto(spec.observation);
  }
  for (const AlarmSetting& setting : spec.alarms) {
    *message.add_alarms() = ToProto(setting);
  }
  if (spec.max_duration.count() > 0) {
    message.mutable_max_duration()->set_seconds(spec.max_duration.count());
  }
  message.set_display_name(spec.display_name);
  return message;
}

Job FromProto(const v1::FineTuneJob& message) {
  return {.name = message.name(),
          .spec = FromProto(message.spec()),
          .status = FromProto(message.status()),
          .etag = message.etag(),
          .create_time = FromProto(message.create_time()),
          .update_time = FromProto(message.update_time())};
}

JobEvent FromProto(const v1::JobEvent& message) {
  return {.sequence = message.sequence(),
          .time = FromProto(message.time()),
          .body = BodyOf(message)};
}

Checkpoint FromProto(const v1::Checkpoint& message) {
  Checkpoint checkpoint = {.name = message.name(),
                           .step = message.step(),
                           .size_bytes = message.size_bytes(),
                           .create_time = FromProto(message.create_time()),
                           .is_best = message.is_best()};
  if (message.has_evaluation()) {
    checkpoint.evaluation = FromProto(message.evaluation());
  }
  return checkpoint;
}

}  // namespace resnetd::client
