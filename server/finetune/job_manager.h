#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/base/clock.h"
#include "server/base/ids.h"
#include "server/base/priority_gate.h"
#include "server/base/system_memory.h"
#include "server/finetune/dataset_manager.h"
#include "server/finetune/gradient_report.h"
#include "server/finetune/job.h"
#include "server/finetune/trainer.h"
#include "server/models/feature_extractor.h"
#include "server/models/model_manager.h"
#include "server/models/model_registry.h"
#include "server/models/version_tallies.h"
#include "server/store/store.h"
#include "server/telemetry/training_metrics.h"

namespace resnetd {

struct JobManagerOptions {
  // Of jobs that wait or run.
  JobLimits limits;
  // Of LibTorch, for training.
  int threads = 1;
  // As ParseDeviceName() (server/models/device_name.h) has it.
  std::string device = "cpu";
  // Memory for the decoded pictures of a job; those beyond are read again in
  // each epoch.
  std::int64_t max_picture_bytes = std::int64_t{2} << 30U;
  // Memory for what frozen layers make of the pictures of a job; what is beyond
  // is computed at each use.
  std::int64_t max_feature_bytes = std::int64_t{1} << 30U;
  // Jobs run at the lowest priority and obey their guard. Off only to measure
  // what that is worth.
  bool gives_way = true;
  // The memory there is. A job that needs more than there is in all is refused,
  // one that needs more than is free when it begins fails.
  std::function<SystemMemory()> memory = [] { return ReadSystemMemory(); };
};

// What jobs share with serving. All outlive the manager.
struct JobLinks {
  // Says how serving fares; null: nobody does, and no guard holds.
  PriorityGate* gate = nullptr;
  // Null: nobody counts.
  TrainingMetrics* metrics = nullptr;
  // Runs the frozen beginnings of networks; null: trainers do it themselves.
  FeatureExtractorLoader* features = nullptr;
  // How versions answer; null: no promotion is watched.
  VersionTallies* tallies = nullptr;
};

// Where trainers come from: loads what is needed on the first call.
// FAILED_PRECONDITION (BACKEND_UNAVAILABLE).
using TrainerSource = std::function<absl::StatusOr<TrainerFactory*>()>;

struct NewJob {
  Job job;
  // False: the same request was carried out before.
  bool created = false;
};

// Fine-tuning jobs: taken in, queued, run one at a time in a thread of lowest
// priority, evaluated, published, promoted. Meets serving in the ModelManager
// and in JobLinks alone.
//
// Thread-safe. Everything but the reads waits for the disk: never call it from
// a thread that must not block. Errors of the store come through.
class JobManager {
 public:
  // All references outlive the manager. The destructor stops a running
  // job at its next step; the next start goes on from its last checkpoint.
  static std::unique_ptr<JobManager> Create(
      const JobManagerOptions& options, Store& store, DatasetManager& datasets,
      ModelManager& models, const ModelRegistry& registry,
      TrainerSource trainers, const Clock& clock, const JobLinks& links = {});
  virtual ~JobManager() = default;

  // Takes up the jobs that a former process left, and begins to work. Once.
  virtual absl::Status Start() = 0;
  // Makes the running job save a checkpoint and stop, for a restart; starts no
  // other. Blocks until it has. Idempotent.
  virtual void Stop() = 0;

  // Checks everything that can be told without training, and queues the job, or
  // leaves it CREATED when `wait_for_start`. With `validate_only` nothing is
  // kept and the number is 0; the status has the resolved recipe.
  // INVALID_ARGUMENT (REQUEST_INVALID; RECIPE_INVALID: every violation;
  // LABEL_UNKNOWN as REQUEST_INVALID); NOT_FOUND (MODEL_NOT_FOUND,
  // VERSION_NOT_FOUND, DATASET_NOT_FOUND); FAILED_PRECONDITION
  // (DATASET_NOT_SEALED, TOO_FEW_EXAMPLES, TOO_MANY_BAD_EXAMPLES,
  // FORGETTING_NOT_ALLOWED, BACKEND_UNAVAILABLE); RESOURCE_EXHAUSTED
  // (QUEUE_FULL; OUT_OF_MEMORY: see CheckTrainingMemory()). A repetition of a
  // request is answered with the job as it is, whatever would be wrong with it
  // now; ALREADY_EXISTS (REQUEST_ID_CONFLICT).
  virtual absl::StatusOr<NewJob> CreateJob(const JobSpec& spec,
                                           bool wait_for_start,
                                           bool validate_only,
                                           const Mutation& mutation) = 0;
  // Start, pause, resume, cancel: see DecideCall(). Answers with the job as it
  // is when the call is taken: a running job reaches PAUSED or CANCELLED at its
  // next step. NOT_FOUND (JOB_NOT_FOUND); FAILED_PRECONDITION (JOB_STATE);
  // ABORTED (ETAG_MISMATCH).
  virtual absl::StatusOr<Job> CallJob(JobNumber job, JobCall call,
                                      absl::string_view etag,
                                      const Mutation& mutation) = 0;
  // Removes a job that is done with its events, samples and checkpoints;
  // versions stay.
  // NOT_FOUND; FAILED_PRECONDITION (JOB_STATE); ABORTED (ETAG_MISMATCH).
  virtual absl::Status DeleteJob(JobNumber job, absl::string_view etag,
                                 const Mutation& mutation) = 0;

  // Newest first.
  virtual absl::StatusOr<std::vector<Job>> ListJobs() = 0;
  // NOT_FOUND (JOB_NOT_FOUND).
  virtual absl::StatusOr<Job> GetJob(JobNumber job) = 0;
  // At most `limit` events after `after`, in order. NOT_FOUND; OUT_OF_RANGE
  // (EVENTS_EXPIRED): `after` was not given yet.
  virtual absl::StatusOr<std::vector<JobEvent>> Events(JobNumber job,
                                                       std::int64_t after,
                                                       std::size_t limit) = 0;
  // In order of step. NOT_FOUND.
  virtual absl::StatusOr<std::vector<Checkpoint>> Checkpoints(
      JobNumber job) = 0;
  // What the job showed of its gradients. NOT_FOUND (JOB_NOT_FOUND); the errors
  // of MakeGradientReport().
  virtual absl::StatusOr<GradientReport> Gradients(
      const GradientQuery& query) = 0;

  // NOT_FOUND (JOB_NOT_FOUND, CHECKPOINT_NOT_FOUND).
  virtual absl::StatusOr<Checkpoint> GetCheckpoint(JobNumber job,
                                                   std::int64_t step) = 0;

  // Does a few steps of such a job on a trainer that is thrown away, in a
  // thread of its own of lowest priority; waits for their end. Keeps nothing.
  // No job begins meanwhile. The errors of CreateJob() but QUEUE_FULL;
  // RESOURCE_EXHAUSTED (OVERLOADED): a job or another estimate is at work,
  // metadata "job"; UNAVAILABLE (DRAINING): Stop() ended it; those of trainers.
  virtual absl::StatusOr<JobEstimate> EstimateJob(const JobSpec& spec) = 0;

  // Makes the checkpoint of `step` a version of the job's model, in whatever
  // state the job is: its running means if it has some, batch norms as they are
  // evaluated, measured on the validation pictures, with exemplars kept.
  // Nothing is promoted, and the job does not change. In a thread of its own of
  // lowest priority, also beside a job that runs; waits for its end. NOT_FOUND
  // (JOB_NOT_FOUND, CHECKPOINT_NOT_FOUND); DATA_LOSS (CHECKPOINT_CORRUPT);
  // NOT_FOUND (DATASET_NOT_FOUND, MODEL_NOT_FOUND, VERSION_NOT_FOUND): what the
  // job was made of is gone; RESOURCE_EXHAUSTED (OUT_OF_MEMORY); UNAVAILABLE
  // (DRAINING): Stop() ended it; the errors of ModelManager::Import().
  virtual absl::StatusOr<Imported> PublishCheckpoint(
      JobNumber job, std::int64_t step, const Mutation& mutation) = 0;
  // Of a job that is done: others go on from theirs. NOT_FOUND (JOB_NOT_FOUND,
  // CHECKPOINT_NOT_FOUND); FAILED_PRECONDITION (JOB_STATE).
  virtual absl::Status DeleteCheckpoint(JobNumber job, std::int64_t step,
                                        const Mutation& mutation) = 0;

  // `listener` is called after each change of any job, from the thread that
  // made it: it must be quick and must not call back. Until the handle is
  // destroyed, which waits for a call that runs.
  class Subscription {
   public:
    virtual ~Subscription() = default;
  };
  virtual std::unique_ptr<Subscription> Subscribe(
      std::function<void()> listener) = 0;
};

}  // namespace resnetd
