#pragma once

#include <chrono>
#include <string>
#include <type_traits>
#include <vector>

#include "server/finetune/alarm.h"
#include "server/finetune/gate.h"
#include "server/finetune/gradient_text.h"
#include "server/finetune/job.h"
#include "server/finetune/job_json.h"
#include "server/finetune/json_fields.h"
#include "server/finetune/monitor_fields.h"
#include "server/finetune/recipe_json.h"

namespace resnetd {

// The members of what is stored of jobs: see json_fields.h. Databases have
// them: none is renamed, none changes its meaning, and new ones are Added().

const std::vector<JobState>& NumbersOf(JobState unused);
const std::vector<HeadPolicy>& NumbersOf(HeadPolicy unused);
const std::vector<PromotionKind>& NumbersOf(PromotionKind unused);
const std::vector<PromotionState>& NumbersOf(PromotionState unused);

template <typename Fields, typename AnyReplay>
OnlyFor<AnyReplay, ReplaySpec> ListFields(Fields& fields, AnyReplay& replay) {
  fields("exemplars_per_class", replay.exemplars_per_class);
  fields("dataset", replay.dataset);
  fields("allow_forgetting", replay.allow_forgetting);
}

template <typename Fields, typename AnyRules>
OnlyFor<AnyRules, GateRules> ListFields(Fields& fields, AnyRules& rules) {
  fields("min_examples", rules.min_examples);
  fields("min_accuracy", rules.min_accuracy);
  fields("margin", rules.margin);
  fields("alpha", rules.alpha);
  fields("require_better", rules.require_better);
  fields("max_recall_drop", rules.max_recall_drop);
  fields("min_class_examples", rules.min_class_examples);
  fields("max_forgetting", rules.max_forgetting);
  fields("max_calibration_error", rules.max_calibration_error);
  fields("max_latency_ratio", rules.max_latency_ratio);
  fields("max_size_ratio", rules.max_size_ratio);
  fields("allow_label_change", rules.allow_label_change);
}

template <typename Fields, typename AnyRules>
OnlyFor<AnyRules, WatchRules> ListFields(Fields& fields, AnyRules& rules) {
  fields("duration_s", rules.duration);
  fields("min_answers", rules.min_answers);
  fields("max_failure_rate", rules.max_failure_rate);
  fields("max_confidence_drop", rules.max_confidence_drop);
}

template <typename Fields, typename AnySpec>
OnlyFor<AnySpec, ObservationSpec> ListFields(Fields& fields, AnySpec& spec) {
  fields("probe_every", spec.probe_every);
  fields("snr", spec.snr);
}

template <typename Fields, typename AnySetting>
OnlyFor<AnySetting, AlarmSetting> ListFields(Fields& fields,
                                             AnySetting& setting) {
  fields("kind", setting.kind);
  fields("action", setting.action);
}

template <typename Fields, typename AnySpec>
OnlyFor<AnySpec, JobSpec> ListFields(Fields& fields, AnySpec& spec) {
  fields("model", spec.model);
  fields("base", spec.base);
  fields("architecture", spec.architecture);
  fields("input_size", spec.input_size);
  fields("dataset", spec.dataset);
  fields("split_validation", spec.split.validation);
  fields("split_test", spec.split.test);
  fields("split_seed", spec.split.seed);
  fields("head", spec.head);
  fields("replay", spec.replay);
  fields("recipe", spec.recipe);
  fields("gate", spec.gate);
  fields("promotion", spec.promotion.kind);
  fields("alias", spec.promotion.alias);
  fields.Added("watch", spec.promotion.watch, WatchRules());
  fields("guard_max_p99_ms", spec.guard.max_p99);
  fields.Added("guard_max_queue", spec.guard.max_queue, 0);
  fields.Added("observation", spec.observation, ObservationSpec());
  fields.Added("alarms", spec.alarms, {});
  fields("max_duration_s", spec.max_duration);
  fields("display_name", spec.display_name);
}

template <typename Fields, typename AnyMetrics>
OnlyFor<AnyMetrics, EvaluationMetrics> ListFields(Fields& fields,
                                                  AnyMetrics& metrics) {
  fields("step", metrics.step);
  fields("examples", metrics.examples);
  fields("loss", metrics.loss);
  fields("accuracy", metrics.accuracy);
  fields("old_class_accuracy", metrics.old_class_accuracy);
  fields("new_class_accuracy", metrics.new_class_accuracy);
  fields("calibration_error", metrics.calibration_error);
  fields("is_best", metrics.is_best);
}

template <typename Fields, typename AnyMetrics>
OnlyFor<AnyMetrics, StepMetrics> ListFields(Fields& fields,
                                            AnyMetrics& metrics) {
  fields("step", metrics.step);
  fields("steps", metrics.steps);
  fields("loss", metrics.loss);
  fields("accuracy", metrics.accuracy);
  fields("gradient_norm", metrics.gradient_norm);
  fields("learning_rate", metrics.learning_rate);
  fields("examples_per_second", metrics.examples_per_second);
}

template <typename Fields, typename AnyCriterion>
OnlyFor<AnyCriterion, GateCriterion> ListFields(Fields& fields,
                                                AnyCriterion& criterion) {
  fields("name", criterion.name);
  fields("value", criterion.value);
  fields("bound", criterion.bound);
  fields("passed", criterion.passed);
  fields("text", criterion.text);
}

template <typename Fields, typename AnyVerdict>
OnlyFor<AnyVerdict, GateVerdict> ListFields(Fields& fields,
                                            AnyVerdict& verdict) {
  fields("passed", verdict.passed);
  fields("is_better", verdict.is_better);
  fields("criteria", verdict.criteria);
}

template <typename Fields, typename AnyError>
OnlyFor<AnyError, JobError> ListFields(Fields& fields, AnyError& error) {
  fields("reason", error.reason);
  fields("text", error.text);
}

template <typename Fields, typename AnyWatch>
OnlyFor<AnyWatch, WatchedPromotion> ListFields(Fields& fields,
                                               AnyWatch& watch) {
  fields("alias", watch.alias);
  fields("version", watch.version);
  fields("alias_etag", watch.alias_etag);
  fields("until_us", watch.until);
  fields("answers_before", watch.answers_before);
  fields("confidence_before", watch.confidence_before);
  fields("rolled_back_for", watch.rolled_back_for);
}

template <typename Fields, typename AnyStatus>
OnlyFor<AnyStatus, JobStatus> ListFields(Fields& fields, AnyStatus& status) {
  fields("state", status.state);
  fields("step", status.step);
  fields("total_steps", status.total_steps);
  fields("attempt", status.attempt);
  fields("setbacks", status.setbacks);
  fields("started_us", status.started);
  fields("ended_us", status.ended);
  fields("error", status.error);
  fields("recipe", status.recipe);
  fields("config_hash", status.config_hash);
  fields("dataset_digest", status.dataset_digest);
  fields("base_weights", status.base_weights);
  fields("last_step", status.last_step);
  fields("last_evaluation", status.last_evaluation);
  fields("best_evaluation", status.best_evaluation);
  fields("result", status.result);
  fields("gate", status.gate);
  fields("promotion", status.promotion);
  fields("watch", status.watch);
  fields.Added("duty", status.duty, 1);
  fields("environment", status.environment);
  fields.Added("ran_ms", status.ran, std::chrono::milliseconds(0));
  fields.Added("revision", status.revision, 1);
  fields.Added("precision_is_settled", status.precision_is_settled, false);
  fields.Added("alarms", status.alarms, {});
  fields.Added("block_names", status.block_names, {});
}

template <typename Fields, typename AnyManifest>
OnlyFor<AnyManifest, CheckpointManifest> ListFields(Fields& fields,
                                                    AnyManifest& manifest) {
  fields("weights", manifest.weights);
  fields("optimizer", manifest.optimizer);
  fields("means", manifest.means);
  fields("optimizer_steps", manifest.optimizer_steps);
  fields("stale_evaluations", manifest.stale_evaluations);
  fields("is_best", manifest.is_best);
  fields("evaluation", manifest.evaluation);
  fields("best", manifest.best);
  fields.Added("monitor", manifest.monitor, MonitorState());
}

template <typename Fields, typename AnyEvent>
OnlyFor<AnyEvent, StateChanged> ListFields(Fields& fields, AnyEvent& event) {
  fields("from", event.from);
  fields("to", event.to);
  fields("text", event.text);
}

template <typename Fields, typename AnyEvent>
OnlyFor<AnyEvent, CheckpointSaved> ListFields(Fields& fields, AnyEvent& event) {
  fields("step", event.step);
  fields("bytes", event.bytes);
  fields("is_best", event.is_best);
}

template <typename Fields, typename AnyEvent>
OnlyFor<AnyEvent, Recovered> ListFields(Fields& fields, AnyEvent& event) {
  fields("from_step", event.from_step);
  fields("to_step", event.to_step);
  fields("rate_factor", event.rate_factor);
  fields("text", event.text);
}

template <typename Fields, typename AnyEvent>
OnlyFor<AnyEvent, Throttled> ListFields(Fields& fields, AnyEvent& event) {
  fields("duty", event.duty);
}

template <typename Fields, typename AnyEvent>
OnlyFor<AnyEvent, Promoted> ListFields(Fields& fields, AnyEvent& event) {
  fields("alias", event.alias);
  fields("version", event.version);
  fields("previous", event.previous);
}

template <typename Fields, typename AnyEvent>
OnlyFor<AnyEvent, LogLine> ListFields(Fields& fields, AnyEvent& event) {
  fields("text", event.text);
  fields("is_warning", event.is_warning);
}

// One text: spelt out, the numbers of a large network take five times as much.
template <typename Fields, typename AnyEvent>
OnlyFor<AnyEvent, BlockGradients> ListFields(Fields& fields, AnyEvent& event) {
  if constexpr (std::is_const_v<AnyEvent>) {
    const std::string text = FormatSample(event.sample);
    fields("sample", text);
  } else {
    std::string text;
    fields("sample", text);
    if (const auto sample = ParseSample(text)) {
      event.sample = *sample;
    } else {
      // What cannot be read counts as missing.
      fields("sample in a known form", text);
    }
  }
}

template <typename Fields, typename AnyEvent>
OnlyFor<AnyEvent, AlarmRaised> ListFields(Fields& fields, AnyEvent& event) {
  fields("kind", event.kind);
  fields("step", event.step);
  fields("action", event.action);
  fields("value", event.value);
  fields("bound", event.bound);
  fields("block", event.block);
  fields("text", event.text);
}

template <typename Fields, typename AnyEvent>
OnlyFor<AnyEvent, AlarmCleared> ListFields(Fields& fields, AnyEvent& event) {
  fields("kind", event.kind);
  fields("step", event.step);
  fields("raised_step", event.raised_step);
}

}  // namespace resnetd
