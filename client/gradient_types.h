#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace resnetd::client {

// What jobs show of their gradients. Plain values; what they mean is in
// proto/resnetd/v1/gradient.proto.

enum class AlarmKind {
  kUnknown,
  kNonfinite,
  kFrozenUpdates,
  kVanishing,
  kExploding,
  kLrSuspect,
  kDeadBlock,
  kSnrCollapse,
  kLossDiverged,
  kNotLearning,
  kForgetting,
  kOverfit,
};
// Every kind but kUnknown, in their order.
const std::vector<AlarmKind>& AllAlarmKinds();
// E.g. "VANISHING".
absl::string_view AlarmKindName(AlarmKind kind);

enum class AlarmAction { kUnknown, kWarn, kPause, kRollback, kFail, kStop };
const std::vector<AlarmAction>& AllAlarmActions();
// E.g. "ROLLBACK".
absl::string_view AlarmActionName(AlarmAction action);

struct AlarmSetting {
  AlarmKind kind = AlarmKind::kUnknown;
  AlarmAction action = AlarmAction::kUnknown;
};

// What is absent is the server's default.
struct ObservationSpec {
  // 0: no samples.
  std::optional<int> probe_every;
  std::optional<bool> snr;
};

struct ActiveAlarm {
  AlarmKind kind = AlarmKind::kUnknown;
  std::int64_t step = 0;
  std::string text;
};

struct AlarmRaised {
  AlarmKind kind = AlarmKind::kUnknown;
  std::int64_t step = 0;
  AlarmAction action = AlarmAction::kUnknown;
  std::optional<double> value;
  std::optional<double> bound;
  // Empty: it is about no single block.
  std::string block;
  std::string text;
};
struct AlarmCleared {
  AlarmKind kind = AlarmKind::kUnknown;
  std::int64_t step = 0;
  std::int64_t raised_step = 0;
};

struct PathNorms {
  double shortcut = 0;
  double main = 0;
  double input = 0;
  double sum = 0;
  double cosine = 0;
  std::optional<double> main_share;
};

struct ParameterNorms {
  double gradient = 0;
  double weights = 0;
  double update = 0;
  double zero_share = 0;
};

struct GradientNoise {
  double signal = 0;
  double noise = 0;
};

struct BlockSample {
  std::optional<PathNorms> paths;
  std::optional<ParameterNorms> parameters;
  std::optional<GradientNoise> noise;
  std::optional<double> residual_ratio;
  std::optional<double> last_scale;
};

struct GradientSample {
  std::int64_t step = 0;
  int examples = 0;
  // In order of depth.
  std::vector<BlockSample> blocks;
  ParameterNorms all;
  std::optional<GradientNoise> noise;
  std::optional<double> depth_ratio;
};

// A sample that a watch tells of.
struct BlockGradients {
  GradientSample sample;
};

struct BlockNoise {
  std::optional<GradientNoise> noise;
  std::optional<double> snr_ratio;
};

struct GradientReport {
  // E.g. "layer3.05".
  std::vector<std::string> blocks;
  // In order of step, each with these blocks.
  std::vector<GradientSample> samples;
  std::int64_t samples_in_range = 0;
  std::int64_t oldest_step = 0;
  bool has_expired = false;
  std::optional<GradientNoise> noise;
  // One for each block.
  std::vector<BlockNoise> block_noise;
  std::optional<double> noise_scale_examples;
  std::vector<ActiveAlarm> alarms;
};

struct GradientRequest {
  // "N" or "jobs/N".
  std::string job;
  // 0: from the oldest one that is kept, to the newest one.
  std::int64_t first_step = 0;
  std::int64_t last_step = 0;
  // Empty: all.
  std::vector<std::string> blocks;
  // 0: the server's 256.
  int max_samples = 0;
};

}  // namespace resnetd::client
