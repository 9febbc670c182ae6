#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace resnetd {

// What can be wrong with a training: see alarm_rules.h for when. The numbers
// are in databases and in the protos.
enum class AlarmKind {
  kNonfinite = 1,
  kFrozenUpdates = 2,
  kVanishing = 3,
  kExploding = 4,
  kLrSuspect = 5,
  kDeadBlock = 6,
  kSnrCollapse = 7,
  kLossDiverged = 8,
  kNotLearning = 9,
  kForgetting = 10,
  kOverfit = 11,
};

// What is done when an alarm is raised, beside telling it.
enum class AlarmAction {
  // Nothing.
  kWarn = 1,
  // The job is paused, and goes on when somebody resumes it.
  kPause = 2,
  // Back to the last checkpoint with half the learning rates; after
  // kMostSetbacks of these the job fails.
  kRollback = 3,
  // The job fails.
  kFail = 4,
  // The training ends as after its last step: its best weights are measured
  // and become a version.
  kStop = 5,
};

const std::vector<AlarmKind>& AllAlarmKinds();
// E.g. "NONFINITE".
absl::string_view AlarmName(AlarmKind kind);
const std::vector<AlarmAction>& AllAlarmActions();
// E.g. "ROLLBACK".
absl::string_view AlarmActionName(AlarmAction action);

// For json_fields.h.
const std::vector<AlarmKind>& NumbersOf(AlarmKind unused);
const std::vector<AlarmAction>& NumbersOf(AlarmAction unused);

AlarmAction DefaultAction(AlarmKind kind);
// How grave an action is: WARN, 0, STOP, PAUSE, ROLLBACK, FAIL.
int Gravity(AlarmAction action);

struct AlarmSetting {
  AlarmKind kind = AlarmKind::kNonfinite;
  AlarmAction action = AlarmAction::kWarn;

  friend bool operator==(const AlarmSetting&, const AlarmSetting&) = default;
};

// The action of `kind`: the last of `settings` about it, or the default.
AlarmAction ActionOf(AlarmKind kind, const std::vector<AlarmSetting>& settings);

// OK, or INVALID_ARGUMENT (RECIPE_INVALID) with a violation "alarms[i]" for
// each kind that is set twice, and for NONFINITE as WARN: a step that is not
// finite changed no weight and cannot be gone on from.
absl::Status Validate(const std::vector<AlarmSetting>& settings);

// What a job shows of its gradients.
struct ObservationSpec {
  // A sample is taken every so many steps; 0: none.
  int probe_every = 10;
  // With the noise of the gradient, where it can be told.
  bool snr = true;

  friend bool operator==(const ObservationSpec&,
                         const ObservationSpec&) = default;
};

inline constexpr int kMaxProbeEvery = 100'000;

// INVALID_ARGUMENT (RECIPE_INVALID): "observation.probe_every".
absl::Status Validate(const ObservationSpec& observation);

// An alarm that was raised and is not cleared.
struct ActiveAlarm {
  AlarmKind kind = AlarmKind::kNonfinite;
  // When it was raised.
  std::int64_t step = 0;
  // For people, e.g. "the gradient at layer1.0 is 2e-05 of that at layer3.2".
  std::string text;

  friend bool operator==(const ActiveAlarm&, const ActiveAlarm&) = default;
};

// Events of a job.
struct AlarmRaised {
  AlarmKind kind = AlarmKind::kNonfinite;
  std::int64_t step = 0;
  AlarmAction action = AlarmAction::kWarn;
  // What was measured and what it was compared with; absent: no number.
  std::optional<double> value;
  std::optional<double> bound;
  // Of block_names; empty: it is about no single block.
  std::string block;
  std::string text;

  friend bool operator==(const AlarmRaised&, const AlarmRaised&) = default;
};
struct AlarmCleared {
  AlarmKind kind = AlarmKind::kNonfinite;
  std::int64_t step = 0;
  std::int64_t raised_step = 0;

  friend bool operator==(const AlarmCleared&, const AlarmCleared&) = default;
};

// Those under which no version may be promoted: NONFINITE, EXPLODING and
// LOSS_DIVERGED.
bool IsGateAlarm(AlarmKind kind);

}  // namespace resnetd
