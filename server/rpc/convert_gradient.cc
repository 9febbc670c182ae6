#include "server/rpc/convert_gradient.h"

#include <algorithm>
#include <cstddef>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/base/status_macros.h"
#include "server/rpc/resource_name.h"

namespace resnetd {
namespace {

// The protos number kinds and actions as the domain does.
static_assert(static_cast<int>(AlarmKind::kNonfinite) ==
              v1::ALARM_KIND_NONFINITE);
static_assert(static_cast<int>(AlarmKind::kFrozenUpdates) ==
              v1::ALARM_KIND_FROZEN_UPDATES);
static_assert(static_cast<int>(AlarmKind::kVanishing) ==
              v1::ALARM_KIND_VANISHING);
static_assert(static_cast<int>(AlarmKind::kExploding) ==
              v1::ALARM_KIND_EXPLODING);
static_assert(static_cast<int>(AlarmKind::kLrSuspect) ==
              v1::ALARM_KIND_LR_SUSPECT);
static_assert(static_cast<int>(AlarmKind::kDeadBlock) ==
              v1::ALARM_KIND_DEAD_BLOCK);
static_assert(static_cast<int>(AlarmKind::kSnrCollapse) ==
              v1::ALARM_KIND_SNR_COLLAPSE);
static_assert(static_cast<int>(AlarmKind::kLossDiverged) ==
              v1::ALARM_KIND_LOSS_DIVERGED);
static_assert(static_cast<int>(AlarmKind::kNotLearning) ==
              v1::ALARM_KIND_NOT_LEARNING);
static_assert(static_cast<int>(AlarmKind::kForgetting) ==
              v1::ALARM_KIND_FORGETTING);
static_assert(static_cast<int>(AlarmKind::kOverfit) == v1::ALARM_KIND_OVERFIT);
static_assert(static_cast<int>(AlarmAction::kWarn) == v1::ALARM_ACTION_WARN);
static_assert(static_cast<int>(AlarmAction::kPause) == v1::ALARM_ACTION_PAUSE);
static_assert(static_cast<int>(AlarmAction::kRollback) ==
              v1::ALARM_ACTION_ROLLBACK);
static_assert(static_cast<int>(AlarmAction::kFail) == v1::ALARM_ACTION_FAIL);
static_assert(static_cast<int>(AlarmAction::kStop) == v1::ALARM_ACTION_STOP);

v1::AlarmKind WireKind(AlarmKind kind) {
  return static_cast<v1::AlarmKind>(kind);
}

v1::ParameterNorms ParametersToProto(const ParameterNorms& norms) {
  v1::ParameterNorms message;
  message.set_gradient(norms.gradient);
  message.set_weights(norms.weights);
  message.set_update(norms.update);
  message.set_zero_share(norms.zero_share);
  return message;
}

v1::GradientNoise NoiseToProto(const GradientNoise& noise) {
  v1::GradientNoise message;
  message.set_signal(noise.signal);
  message.set_noise(noise.noise);
  return message;
}

v1::BlockSample BlockToProto(const BlockSample& block) {
  v1::BlockSample message;
  if (block.paths) {
    *message.mutable_paths() = ToProto(*block.paths);
  }
  if (block.parameters) {
    *message.mutable_parameters() = ParametersToProto(*block.parameters);
  }
  if (block.noise) {
    *message.mutable_noise() = NoiseToProto(*block.noise);
  }
  if (block.residual_ratio) {
    message.set_residual_ratio(*block.residual_ratio);
  }
  if (block.last_scale) {
    message.set_last_scale(*block.last_scale);
  }
  return message;
}

void CheckSteps(const v1::GetGradientReportRequest& request,
                Violations& violations) {
  const auto check = [&violations](const char* field, std::int64_t step) {
    if (step < 0) {
      violations.Add(field, absl::StrCat(field, " ", step,
                                         " is not 0 or a step from 1 on"));
    }
  };
  check("first_step", request.first_step());
  check("last_step", request.last_step());
  if (request.last_step() > 0 && request.first_step() > request.last_step()) {
    violations.Add("last_step", absl::StrCat("last_step ", request.last_step(),
                                             " is before first_step ",
                                             request.first_step()));
  }
}

}  // namespace

ObservationSpec ToObservation(const v1::ObservationSpec& message,
                              Violations& violations) {
  ObservationSpec observation;
  if (message.has_probe_every()) {
    observation.probe_every = message.probe_every();
  }
  if (message.has_snr()) {
    observation.snr = message.snr();
  }
  violations.AddErrorIn("spec", Validate(observation));
  return observation;
}

std::vector<AlarmSetting> ToAlarms(
    const google::protobuf::RepeatedPtrField<v1::AlarmSetting>& messages,
    Violations& violations) {
  std::vector<AlarmSetting> settings;
  for (int i = 0; i < messages.size(); ++i) {
    const v1::AlarmSetting& message = messages[i];
    const std::string field = absl::StrCat("spec.alarms[", i, "]");
    AlarmSetting setting;
    if (message.kind() == v1::ALARM_KIND_UNSPECIFIED ||
        !v1::AlarmKind_IsValid(message.kind())) {
      violations.Add(
          absl::StrCat(field, ".kind"),
          absl::StrCat(field, ".kind ", static_cast<int>(message.kind()),
                       " is no kind of an alarm"));
      continue;
    }
    setting.kind = static_cast<AlarmKind>(message.kind());
    if (!v1::AlarmAction_IsValid(message.action())) {
      violations.Add(
          absl::StrCat(field, ".action"),
          absl::StrCat(field, ".action ", static_cast<int>(message.action()),
                       " is no action of an alarm"));
      continue;
    }
    setting.action = message.action() == v1::ALARM_ACTION_UNSPECIFIED
                         ? DefaultAction(setting.kind)
                         : static_cast<AlarmAction>(message.action());
    settings.push_back(setting);
  }
  violations.AddErrorIn("spec", Validate(settings));
  return settings;
}

v1::ObservationSpec ToProto(const ObservationSpec& observation) {
  v1::ObservationSpec message;
  message.set_probe_every(observation.probe_every);
  message.set_snr(observation.snr);
  return message;
}

v1::AlarmSetting ToProto(const AlarmSetting& setting) {
  v1::AlarmSetting message;
  message.set_kind(WireKind(setting.kind));
  message.set_action(static_cast<v1::AlarmAction>(setting.action));
  return message;
}

v1::PathNorms ToProto(const PathNorms& paths) {
  v1::PathNorms message;
  message.set_shortcut(paths.shortcut);
  message.set_main(paths.main);
  message.set_input(paths.input);
  message.set_sum(paths.sum);
  message.set_cosine(paths.cosine);
  if (const auto share = MainShare(paths)) {
    message.set_main_share(*share);
  }
  return message;
}

v1::ActiveAlarm ToProto(const ActiveAlarm& alarm) {
  v1::ActiveAlarm message;
  message.set_kind(WireKind(alarm.kind));
  message.set_step(alarm.step);
  message.set_text(alarm.text);
  return message;
}

v1::AlarmRaised ToProto(const AlarmRaised& raised) {
  v1::AlarmRaised message;
  message.set_kind(WireKind(raised.kind));
  message.set_step(raised.step);
  message.set_action(static_cast<v1::AlarmAction>(raised.action));
  if (raised.value) {
    message.set_value(*raised.value);
  }
  if (raised.bound) {
    message.set_bound(*raised.bound);
  }
  message.set_block(raised.block);
  message.set_text(raised.text);
  return message;
}

v1::AlarmCleared ToProto(const AlarmCleared& cleared) {
  v1::AlarmCleared message;
  message.set_kind(WireKind(cleared.kind));
  message.set_step(cleared.step);
  message.set_raised_step(cleared.raised_step);
  return message;
}

v1::GradientSample ToProto(const GradientSample& sample) {
  v1::GradientSample message;
  message.set_step(sample.step);
  message.set_examples(sample.examples);
  for (const BlockSample& block : sample.blocks) {
    *message.add_blocks() = BlockToProto(block);
  }
  *message.mutable_all() = ParametersToProto(sample.all);
  if (sample.noise) {
    *message.mutable_noise() = NoiseToProto(*sample.noise);
  }
  if (const auto ratio = DepthRatio(sample)) {
    message.set_depth_ratio(*ratio);
  }
  return message;
}

v1::GradientReport ToProto(const GradientReport& report) {
  v1::GradientReport message;
  for (const std::string& block : report.blocks) {
    message.add_blocks(block);
  }
  for (const GradientSample& sample : report.samples) {
    *message.add_samples() = ToProto(sample);
  }
  message.set_samples_in_range(report.samples_in_range);
  message.set_oldest_step(report.oldest_step);
  message.set_has_expired(report.has_expired);
  if (report.noise) {
    *message.mutable_noise() = NoiseToProto(*report.noise);
    if (const auto scale = NoiseScale(*report.noise)) {
      message.set_noise_scale_examples(*scale);
    }
  }
  const double examples =
      report.samples.empty() ? 0 : report.samples.back().examples;
  for (const std::optional<GradientNoise>& noise : report.block_noise) {
    v1::BlockNoise& out = *message.add_block_noise();
    if (noise) {
      *out.mutable_noise() = NoiseToProto(*noise);
      if (noise->noise > 0 && examples > 0) {
        out.set_snr_ratio(noise->signal * examples / noise->noise);
      }
    }
  }
  for (const ActiveAlarm& alarm : report.alarms) {
    *message.add_alarms() = ToProto(alarm);
  }
  return message;
}

absl::StatusOr<GradientQuery> ToGradientQuery(
    const v1::GetGradientReportRequest& request) {
  Violations violations;
  GradientQuery query;
  query.job = violations.Take("name", ParseJobName("name", request.name()))
                  .value_or(JobNumber());
  CheckSteps(request, violations);
  query.first_step = request.first_step();
  query.last_step = request.last_step();
  query.blocks.assign(request.blocks().begin(), request.blocks().end());
  query.max_samples = request.max_samples();
  if (query.max_samples < 0 || query.max_samples > kMaxReportSamples) {
    violations.Add(
        "max_samples",
        absl::StrCat("max_samples ", query.max_samples,
                     " is not a number of samples from 1 to ",
                     kMaxReportSamples, ", or 0 for ", kDefaultReportSamples));
  }
  RETURN_IF_ERROR(violations.ToStatus());
  return query;
}

}  // namespace resnetd
