#pragma once

#include <functional>

#include "absl/status/status.h"
#include "server/base/clock.h"
#include "server/base/priority_gate.h"
#include "server/finetune/job.h"
#include "server/finetune/step_pacer.h"
#include "server/telemetry/training_metrics.h"

namespace resnetd {

// A job's way to obey its guard: rests between steps, and tells of it in
// metrics and events. Not thread-safe: in the thread that trains.
class JobPace {
 public:
  // Sleeps until then; false: somebody wants something of the job.
  using Rest = std::function<bool(SteadyTime until)>;
  using Tell = std::function<absl::Status(const JobEventBody&)>;

  // The references outlive it.
  JobPace(const ServingGuard& guard, PriorityGate& gate,
          TrainingMetrics& metrics, const Clock& clock, Rest rest, Tell tell);

  // Returns when the next step may begin or somebody wants something; the
  // errors of `tell`.
  absl::Status AwaitTurn();

 private:
  absl::Status Report();

  StepPacer pacer_;
  TrainingMetrics& metrics_;
  const Rest rest_;
  const Tell tell_;
  // Told of it so far.
  Duration rested_{};
};

}  // namespace resnetd
