#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/base/clock.h"
#include "server/base/error.h"
#include "server/finetune/alarm.h"
#include "server/finetune/gradient_monitor.h"
#include "server/finetune/gradient_sample.h"
#include "server/finetune/job.h"
#include "server/finetune/job_json.h"
#include "server/finetune/recipe.h"
#include "server/finetune/trainer.h"

namespace resnetd {

// What somebody wants of a running training.
enum class Interruption {
  kNone,
  // A checkpoint, then an end: the training goes on later.
  kPause,
  kCancel,
};

// A training as it was after `step` optimiser steps.
struct TrainingState {
  std::int64_t step = 0;
  TrainerState trainer;
  CheckpointManifest manifest;
};

// What a step took, and what became of it.
struct StepNote {
  // Until there were pictures to learn from.
  Duration data{};
  // All else, the measuring of gradients too; and what of it, if the trainer
  // tells.
  Duration compute{};
  std::optional<StepPhases> phases;
  bool is_finite = true;
  // Its gradient was scaled down.
  bool is_clipped = false;
};

// What a TrainLoop needs from outside. Called from the loop's thread.
class LoopHost {
 public:
  virtual ~LoopHost() = default;

  // Asked before every step.
  virtual Interruption AskInterruption() = 0;
  // Before that; waits until the next step may use the device, or until there
  // is an interruption.
  virtual absl::Status AwaitTurn() = 0;
  // A trainer for that phase of the recipe with the initial weights.
  virtual absl::StatusOr<std::unique_ptr<Trainer>> NewTrainer(
      std::size_t phase) = 0;
  // Before the first step with a trainer, which has the weights that the phase
  // goes on with.
  virtual absl::Status BeginPhase(std::size_t phase, Trainer& trainer) = 0;
  // What step `step`, counted from 0, learns from; alive until the next call.
  virtual absl::StatusOr<std::vector<TrainingBatch>> BatchesOf(
      std::int64_t step) = 0;
  // Before an evaluation of a recipe with NormPolicy::kReestimate.
  virtual absl::Status EstimateNorms(Trainer& trainer) = 0;
  // Measures on the validation examples; is_best is not looked at.
  virtual absl::StatusOr<EvaluationMetrics> Evaluate(Trainer& trainer,
                                                     std::int64_t step) = 0;
  // Makes it durable; those that are no longer needed may go: what is kept is
  // the last one and the best one.
  virtual absl::Status Save(const TrainingState& state) = 0;
  // The last one saved; nullopt: none.
  virtual absl::StatusOr<std::optional<TrainingState>> LoadLast() = 0;
  virtual absl::Status Tell(const JobEventBody& event) = 0;
  // After every step, for metrics.
  virtual void NoteStep(const StepNote& note) = 0;
  // Adds samples to the series of the job, in order of step; with `event` the
  // last one is told, too.
  virtual absl::Status KeepSamples(const std::vector<GradientSample>& samples,
                                   bool event) = 0;
};

struct LoopResult {
  // kNone: it came to its end, by its steps, by early stopping or by its time.
  Interruption interrupted = Interruption::kNone;
  std::int64_t step = 0;
  // The evaluation of the weights to keep; absent: nothing was evaluated.
  std::optional<EvaluationMetrics> best;
  int setbacks = 0;
  // With kPause, when an alarm wants it: why.
  std::string reason;
};

// Recoveries from a loss that is not finite or runs away, each to the last
// checkpoint with half the rates: a fourth would train at 1/16.
inline constexpr int kMostSetbacks = 3;

// The loop of one job: steps, evaluations, checkpoints, recoveries, early
// stopping. Every random decision follows from the step alone, so a run that
// goes on from a checkpoint is bit for bit the one that was never interrupted.
// Not thread-safe.
class TrainLoop {
 public:
  struct Options {
    Recipe recipe;
    int classes = 2;
    // Recoveries before this run: each halved the learning rates.
    int setbacks = 0;
    ObservationSpec observation;
    std::vector<AlarmSetting> alarms;
    // Raised before this run and not cleared.
    std::vector<ActiveAlarm> active;
    // See AlarmFacts and GradientMonitor.
    double majority_share = 0;
    std::vector<std::string> block_names;
    // The loop ends as if it were through at this time.
    SteadyTime deadline = kNoDeadline;
  };

  // `host` and `clock` outlive the loop.
  TrainLoop(const Options& options, LoopHost& host, const Clock& clock);

  // Goes on from the last checkpoint of the host, or begins. Once. Errors of
  // host and trainer; INTERNAL with reason NONFINITE_LOSS, or DIVERGED for any
  // other alarm: after kMostSetbacks recoveries, or where the job wants to fail
  // for it.
  absl::StatusOr<LoopResult> Run();

 private:
  // Steps between two StepMetrics: every step of a slow network, about twice a
  // second of a fast one.
  struct Window {
    StepMetrics sum;
    int correct = 0;
    int examples = 0;
    int steps = 0;
    SteadyTime begun;
  };

  absl::Status Begin();
  absl::Status EnterPhase(std::size_t phase, const TrainerState* exact);
  // Those that the phase before ended with.
  absl::Status TakeWeights(TrainerState before);
  absl::Status OneStep();
  absl::Status AfterStep();
  // Raises the alarm and says false where `weights` are not
  // finite: they give no answers, and going back to them would help nobody.
  absl::StatusOr<bool> AreWeightsFinite(const TensorList& weights);
  absl::Status TakeMetrics(const StepReport& report, double rate);
  absl::Status FlushMetrics();
  // Of the rates, where they are scaled by the gradients: what the parts got
  // since the last evaluation.
  void TakeShares(const StepReport& report);
  absl::Status TellShares();
  absl::Status Evaluate();
  absl::Status SaveCheckpoint();
  absl::Status SetBack(const AlarmRaised& why);
  bool IsThrough() const;

  // --- train_loop_alarms.cc ---
  // What step `step`, from 0 on, shows; nullopt: nothing.
  std::optional<Observation> ObservationOf(std::int64_t step) const;
  absl::Status TakeSample(const std::optional<GradientSample>& sample);
  // Before what comes between two steps.
  absl::Status TakePendingSample();
  absl::Status FlushSamples();
  absl::Status JudgeStep(const StepReport& report);
  absl::Status TellAlarms(Judgement judgement);
  // Carries out what alarms want since the last time: true: the training went
  // back.
  absl::StatusOr<bool> Act();
  // Of the learning rates.
  double rate_factor() const {
    return 1.0 / static_cast<double>(1 << setbacks_);
  }

  const Options options_;
  const std::int64_t total_steps_;
  LoopHost& host_;
  const Clock& clock_;
  GradientMonitor monitor_;

  std::unique_ptr<Trainer> trainer_;
  std::size_t phase_ = 0;
  // Steps done.
  std::int64_t step_ = 0;
  int stale_evaluations_ = 0;
  int setbacks_;
  std::optional<EvaluationMetrics> last_;
  std::optional<EvaluationMetrics> best_;
  std::int64_t saved_at_ = -1;
  Window window_;
  // Sums over so many steps, one for each part; empty: rates are not scaled.
  std::vector<double> shares_;
  int shared_steps_ = 0;
  // Not kept yet.
  std::vector<GradientSample> samples_;
  // Of the last BlockGradients.
  std::optional<SteadyTime> told_sample_;
  // The gravest thing that an alarm wants and that is not done yet.
  std::optional<AlarmRaised> wanted_;
  // Of an alarm that wants a pause; empty: none does.
  std::string pause_reason_;
  // An alarm wants an end.
  bool is_stopped_ = false;
};

}  // namespace resnetd
