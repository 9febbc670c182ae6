#include <optional>

#include "client/gradient_convert.h"

namespace resnetd::client {
namespace {

static_assert(static_cast<int>(AlarmKind::kOverfit) == v1::ALARM_KIND_OVERFIT);
static_assert(static_cast<int>(AlarmAction::kStop) == v1::ALARM_ACTION_STOP);

AlarmKind KindOf(v1::AlarmKind kind) {
  return static_cast<int>(kind) > static_cast<int>(AlarmKind::kOverfit)
             ? AlarmKind::kUnknown
             : static_cast<AlarmKind>(kind);
}

AlarmAction ActionOf(v1::AlarmAction action) {
  return static_cast<int>(action) > static_cast<int>(AlarmAction::kStop)
             ? AlarmAction::kUnknown
             : static_cast<AlarmAction>(action);
}

ParameterNorms NormsOf(const v1::ParameterNorms& message) {
  return {.gradient = message.gradient(),
          .weights = message.weights(),
          .update = message.update(),
          .zero_share = message.zero_share()};
}

GradientNoise NoiseOf(const v1::GradientNoise& message) {
  return {.signal = message.signal(), .noise = message.noise()};
}

BlockSample BlockOf(const v1::BlockSample& message) {
  BlockSample block;
  if (message.has_paths()) {
    block.paths = FromProto(message.paths());
  }
  if (message.has_parameters()) {
    block.parameters = NormsOf(message.parameters());
  }
  if (message.has_noise()) {
    block.noise = NoiseOf(message.noise());
  }
  if (message.has_residual_ratio()) {
    block.residual_ratio = message.residual_ratio();
  }
  if (message.has_last_scale()) {
    block.last_scale = message.last_scale();
  }
  return block;
}

}  // namespace

v1::ObservationSpec ToProto(const ObservationSpec& observation) {
  v1::ObservationSpec message;
  if (observation.probe_every) {
    message.set_probe_every(*observation.probe_every);
  }
  if (observation.snr) {
    message.set_snr(*observation.snr);
  }
  return message;
}

ObservationSpec FromProto(const v1::ObservationSpec& message) {
  ObservationSpec observation;
  if (message.has_probe_every()) {
    observation.probe_every = message.probe_every();
  }
  if (message.has_snr()) {
    observation.snr = message.snr();
  }
  return observation;
}

v1::AlarmSetting ToProto(const AlarmSetting& setting) {
  v1::AlarmSetting message;
  message.set_kind(static_cast<v1::AlarmKind>(setting.kind));
  message.set_action(static_cast<v1::AlarmAction>(setting.action));
  return message;
}

AlarmSetting FromProto(const v1::AlarmSetting& message) {
  return {.kind = KindOf(message.kind()), .action = ActionOf(message.action())};
}

PathNorms FromProto(const v1::PathNorms& message) {
  PathNorms paths = {.shortcut = message.shortcut(),
                     .main = message.main(),
                     .input = message.input(),
                     .sum = message.sum(),
                     .cosine = message.cosine(),
                     .main_share = std::nullopt};
  if (message.has_main_share()) {
    paths.main_share = message.main_share();
  }
  return paths;
}

ActiveAlarm FromProto(const v1::ActiveAlarm& message) {
  return {.kind = KindOf(message.kind()),
          .step = message.step(),
          .text = message.text()};
}

AlarmRaised FromProto(const v1::AlarmRaised& message) {
  AlarmRaised raised = {.kind = KindOf(message.kind()),
                        .step = message.step(),
                        .action = ActionOf(message.action()),
                        .value = std::nullopt,
                        .bound = std::nullopt,
                        .block = message.block(),
                        .text = message.text()};
  if (message.has_value()) {
    raised.value = message.value();
  }
  if (message.has_bound()) {
    raised.bound = message.bound();
  }
  return raised;
}

AlarmCleared FromProto(const v1::AlarmCleared& message) {
  return {.kind = KindOf(message.kind()),
          .step = message.step(),
          .raised_step = message.raised_step()};
}

GradientSample FromProto(const v1::GradientSample& message) {
  GradientSample sample = {.step = message.step(),
                           .examples = message.examples(),
                           .blocks = {},
                           .all = NormsOf(message.all()),
                           .noise = std::nullopt,
                           .depth_ratio = std::nullopt};
  for (const v1::BlockSample& block : message.blocks()) {
    sample.blocks.push_back(BlockOf(block));
  }
  if (message.has_noise()) {
    sample.noise = NoiseOf(message.noise());
  }
  if (message.has_depth_ratio()) {
    sample.depth_ratio = message.depth_ratio();
  }
  return sample;
}

GradientReport FromProto(const v1::GradientReport& message) {
  GradientReport report;
  report.blocks.assign(message.blocks().begin(), message.blocks().end());
  for (const v1::GradientSample& sample : message.samples()) {
    report.samples.push_back(FromProto(sample));
    // As many as there are names, whatever a server sends.
    report.samples.back().blocks.resize(report.blocks.size());
  }
  report.samples_in_range = message.samples_in_range();
  report.oldest_step = message.oldest_step();
  report.has_expired = message.has_expired();
  if (message.has_noise()) {
    report.noise = NoiseOf(message.noise());
  }
  for (const v1::BlockNoise& noise : message.block_noise()) {
    BlockNoise& out = report.block_noise.emplace_back();
    if (noise.has_noise()) {
      out.noise = NoiseOf(noise.noise());
    }
    if (noise.has_snr_ratio()) {
      out.snr_ratio = noise.snr_ratio();
    }
  }
  report.block_noise.resize(report.blocks.size());
  if (message.has_noise_scale_examples()) {
    report.noise_scale_examples = message.noise_scale_examples();
  }
  for (const v1::ActiveAlarm& alarm : message.alarms()) {
    report.alarms.push_back(FromProto(alarm));
  }
  return report;
}

}  // namespace resnetd::client
