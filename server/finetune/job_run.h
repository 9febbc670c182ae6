#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/base/clock.h"
#include "server/finetune/job_inputs.h"
#include "server/finetune/job_ledger.h"
#include "server/finetune/job_manager.h"
#include "server/finetune/job_pace.h"
#include "server/finetune/job_result.h"
#include "server/finetune/phase_features.h"
#include "server/finetune/picture_source.h"
#include "server/finetune/train_loop.h"
#include "server/models/model_registry.h"

namespace resnetd {

// What jobs run with. The references outlive every run.
struct JobSurroundings {
  JobManagerOptions options;
  Store& store;
  DatasetManager& datasets;
  ModelManager& models;
  const ModelRegistry& registry;
  TrainerSource trainers;
  JobLedger& ledger;
  const Clock& clock;
  JobLinks links;
  // Sleeps until then; false: somebody wants something of the running job.
  JobPace::Rest rest;
};

// What somebody wants of the job that runs.
enum class Wish { kNone, kPause, kCancel, kStop };

// One job from QUEUED to where it ends: done, paused, or left as it is for the
// next start of the server. In the thread of jobs.
class JobRun final : private LoopHost {
 public:
  // `wish` is written by others while the job runs.
  JobRun(const JobSurroundings& around, JobNumber number,
         const std::atomic<Wish>& wish);

  // Every error ends in the job's status, but those of the store: then the job
  // stays where it was, and the next start takes it up.
  absl::Status Run();

  // Instead of Run(): what a job of `spec` would cost, by a few steps. Changes
  // nothing; the number is not looked at. See JobManager::EstimateJob().
  absl::StatusOr<JobEstimate> Estimate(const JobSpec& spec);

  // Instead of Run(), whatever the job does meanwhile: makes the checkpoint of
  // `step` a version of the job's model, measured as the result of a job is.
  // Changes nothing of the job. NOT_FOUND (CHECKPOINT_NOT_FOUND); DATA_LOSS
  // (CHECKPOINT_CORRUPT); CANCELLED when `wish` ends it; the errors of
  // ReadInputs(), PlanJob(), trainers and ModelManager::Import().
  absl::StatusOr<VersionView> Publish(std::int64_t step,
                                      const Mutation& mutation);

 private:
  // LoopHost.
  Interruption AskInterruption() override;
  absl::Status AwaitTurn() override;
  absl::StatusOr<std::unique_ptr<Trainer>> NewTrainer(
      std::size_t phase) override;
  absl::Status BeginPhase(std::size_t phase, Trainer& trainer) override;
  absl::StatusOr<std::vector<TrainingBatch>> BatchesOf(
      std::int64_t step) override;
  absl::Status EstimateNorms(Trainer& trainer) override;
  absl::StatusOr<EvaluationMetrics> Evaluate(Trainer& trainer,
                                             std::int64_t step) override;
  absl::Status Save(const TrainingState& state) override;
  absl::StatusOr<std::optional<TrainingState>> LoadLast() override;
  absl::Status Tell(const JobEventBody& event) override;
  void NoteStep(const StepNote& note) override;
  absl::Status KeepSamples(const std::vector<GradientSample>& samples,
                           bool event) override;

  absl::Status Work();
  absl::Status Prepare();
  absl::Status MakeWeights();
  // Before the first step of the job, where the request leaves it open.
  absl::Status SettlePrecision();
  absl::StatusOr<TrainingPrecision> MeasurePrecision();
  absl::StatusOr<LoopResult> Train();
  // What the job made, measured on the validation pictures.
  struct Measured {
    std::vector<float> logits;
    TensorList weights;
  };
  // Of a phase: its steps, and an evaluation of what is read.
  struct Measurement {
    Duration fastest = Duration::max();
    Duration slowest = Duration::zero();
    int steps = 0;
    Duration norms{};
    Duration validation{};
    std::int64_t resident_bytes = 0;
  };
  absl::StatusOr<Measurement> MeasurePhase(std::size_t phase,
                                           std::int64_t step);
  // Measures every phase, and adds its time to `estimate`; `trained`,
  // `validated`: pictures of a whole job. Returns what the largest trainer
  // holds.
  absl::StatusOr<std::int64_t> AddPhases(std::size_t trained,
                                         std::size_t validated,
                                         JobEstimate& estimate);
  absl::Status Finish(const LoopResult& result);
  absl::StatusOr<Measured> MeasureBest(const LoopResult& result);
  absl::StatusOr<Measured> Measure(const CheckpointRow& row);
  absl::StatusOr<GateVerdict> Judge(const std::vector<float>& logits);
  // What a version with these logits of the validation pictures is told by.
  absl::StatusOr<JobResult> Appraise(const EvaluationMetrics& best,
                                     const std::vector<float>& logits);
  absl::Status Conclude(VersionNumber version, const GateVerdict& verdict);
  absl::Status Settle(Wish wish);
  // On the way to a pause that nobody asked for; "": nothing.
  absl::Status PauseFor(const std::string& reason);
  // Changes the job, and takes it over as it is then.
  absl::Status Change(const std::function<void(JobEdit&)>& change);
  // Goes to `to`, unless a call has put the job on its way to a pause or an
  // end; false: it has, see Settle().
  absl::StatusOr<bool> Enter(JobState to);
  // Puts the status into `end`, or CANCELLED where that was asked for.
  void End(JobState end, JobEdit& edit) const;
  absl::Status Fail(const absl::Status& why);
  bool GoesOn() const;
  absl::StatusOr<TrainingState> Load(const CheckpointRow& row);

  const JobSurroundings& around_;
  const JobNumber number_;
  const std::atomic<Wish>& wish_;
  std::optional<Job> job_;
  // When steps were begun, and how long the runs before did them.
  std::optional<SteadyTime> begun_;
  Duration ran_before_{};
  JobPlan plan_;
  Network network_;
  std::optional<Weights> weights_;
  std::unique_ptr<PictureSource> pictures_;
  std::unique_ptr<BatchMaker> batches_;
  // Of the phase; null: it works on pictures.
  std::unique_ptr<PhaseFeatures> features_;
  std::optional<std::size_t> begun_phase_;
  std::vector<Pixels> validation_;
  std::vector<int> validation_labels_;
  TrainerFactory* trainers_ = nullptr;
  // A checkpoint, in this attempt.
  bool has_saved_ = false;
  // While it trains beside serving.
  std::optional<JobPace> pace_;
};

// JobManager's, but for whether it is the time for it: in a thread of their
// own, which `wish` ends, UNAVAILABLE (DRAINING).
absl::StatusOr<Imported> PublishCheckpoint(const JobSurroundings& around,
                                           JobNumber job, std::int64_t step,
                                           const Mutation& mutation,
                                           const std::atomic<Wish>& wish);
absl::StatusOr<JobEstimate> EstimateJob(const JobSurroundings& around,
                                        const JobSpec& spec,
                                        const std::atomic<Wish>& wish);

}  // namespace resnetd
