#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "absl/strings/string_view.h"
#include "server/base/clock.h"
#include "server/telemetry/gradient_snapshot.h"

namespace prometheus {
class Registry;
}  // namespace prometheus

namespace resnetd {

class GradientMetrics;

// What resnetd_finetune_job_info says of the running job.
struct TrainingJobLabels {
  // Its number.
  std::string train_job;
  std::string model;
  // The version it is fine-tuned from; empty: from scratch.
  std::string base;
  std::string config_hash;
};

// Steps that a job has done, and their means.
struct TrainingSteps {
  std::int64_t steps = 0;
  std::int64_t examples = 0;
  double loss = 0;
  double accuracy = 0;
  double gradient_norm = 0;
  // Of the head.
  double learning_rate = 0;
};

// How good a network is on the validation examples.
struct TrainingEvaluation {
  double loss = 0;
  double accuracy = 0;
  // When there are new classes.
  std::optional<double> old_class_accuracy;
  double calibration_error = 0;
};

// Where the time of a step goes: label "phase". A trainer that does not tell
// its parts apart has kCompute for all but kData.
enum class StepPhase {
  kData,
  kCompute,
  kForward,
  kBackward,
  kOptimizer,
  kProbe
};

// What became of a promotion that a job asked for.
enum class PromotionResult { kPromoted, kGateNotPassed, kFailed, kRolledBack };

// The metrics of fine-tuning. Jobs are told apart by the slot that they run in,
// of which there is one, "0": their numbers would make ever more series. Gauges
// of a job end with it; counters go on.
//
// Thread-safe; what is told of a job that is not in the slot is forgotten, but
// for counters.
class TrainingMetrics {
 public:
  // The families live in `registry`, gauges of gradients in `gradients`; both
  // outlive this.
  static std::unique_ptr<TrainingMetrics> Create(prometheus::Registry& registry,
                                                 GradientMetrics& gradients);
  virtual ~TrainingMetrics() = default;

  // A job takes the slot; nothing is left of what was said of another.
  virtual void JobEntered(const TrainingJobLabels& labels) = 0;
  // E.g. "RUNNING".
  virtual void SetState(absl::string_view state) = 0;
  virtual void SetSteps(std::int64_t step, std::int64_t total_steps) = 0;
  // The slot is free: its gauges end.
  virtual void JobLeft() = 0;

  virtual void Stepped(const TrainingSteps& steps, WallTime when) = 0;
  virtual void Evaluated(const TrainingEvaluation& evaluation) = 0;
  virtual void CheckpointSaved(WallTime when) = 0;
  virtual void Recovered() = 0;
  // A step was sampled; replaces what the one before showed.
  virtual void GradientSampled(GradientFigures figures) = 0;
  // The alarms of the job that are raised now, e.g. "VANISHING".
  virtual void SetAlarms(std::set<std::string> raised) = 0;
  // A part of one step took so long. kProbe is the measuring of gradients,
  // which is also counted alone.
  virtual void StepTimed(StepPhase phase, Duration took) = 0;
  // Loss or gradient of a step was not finite.
  virtual void StepNotFinite() = 0;
  // The gradient of a step was scaled down.
  virtual void StepClipped() = 0;
  // The share of the time that training may use; how long it has rested since
  // it said so last; the p99 of serving beside it over that alone, when known.
  virtual void Paced(double duty, Duration rested,
                     std::optional<double> slowdown) = 0;

  // A dataset did not take a picture; `code`: RejectedExample::code.
  virtual void ExampleRejected(absl::string_view code) = 0;
  // Any job is done; `state`: SUCCEEDED, FAILED or CANCELLED.
  virtual void JobEnded(absl::string_view state) = 0;
  virtual void PromotionEnded(PromotionResult result) = 0;
  // Jobs that are not done, by state; other states have none.
  virtual void SetJobs(const std::map<std::string, std::size_t>& by_state) = 0;
};

// A TrainingMetrics that forgets everything, for tests of other modules.
TrainingMetrics& NullTrainingMetrics();

}  // namespace resnetd
