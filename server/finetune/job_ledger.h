#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/base/ids.h"
#include "server/finetune/job.h"
#include "server/finetune/job_metrics.h"
#include "server/models/change_listeners.h"
#include "server/store/job_catalog.h"

namespace resnetd {

// What a change makes of a job.
struct JobEdit {
  JobStatus status;
  // It may be done, and stays so: see JobChange.
  bool after_end = false;
  // The job stays as it is, and nothing is written.
  bool changes_nothing = false;
  // A StateChanged is added in front when the state is another one.
  std::vector<JobEventBody> events;
  // Why the state changed, for people.
  std::string text;
  std::optional<CheckpointRow> checkpoint;
  std::vector<std::int64_t> remove_checkpoints;
  // See JobChange.
  std::optional<std::int64_t> forget_samples_after;
  std::vector<JobSampleRow> samples;
};

// "jobs/N/checkpoints/STEP".
std::string CheckpointName(JobNumber job, std::int64_t step);

// Reads a job, changes it and writes it back, as often as it takes until nobody
// else changed it in between: calls from outside and the job's own thread meet
// here. Tells the listeners of each change. Thread-safe; waits for the disk.
class JobLedger {
 public:
  // `catalog` outlives the ledger, and so does `metrics`.
  explicit JobLedger(JobCatalog& catalog,
                     TrainingMetrics& metrics = NullTrainingMetrics())
      : catalog_(catalog), metrics_(metrics) {}

  // `decide` is given the job as it is; an error of it is the answer and
  // nothing is changed. `etag`: empty: any. A request that was carried out
  // before is answered with the job as it is, whatever became of it since.
  // ABORTED (ETAG_MISMATCH); INTERNAL: a state that cannot follow; the errors
  // of the catalog.
  using Decide = std::function<absl::StatusOr<JobEdit>(const Job&)>;
  absl::StatusOr<Job> Change(
      JobNumber job, const Decide& decide, absl::string_view etag = "",
      const std::optional<Mutation>& mutation = std::nullopt);

  // The job that the request of `mutation` made or changed when it was carried
  // out before. ALREADY_EXISTS (REQUEST_ID_CONFLICT).
  absl::StatusOr<std::optional<JobNumber>> FindRepeated(
      const Mutation& mutation);

  // `limits`: see CheckRoom().
  absl::StatusOr<CreatedJob> Create(const JobSpec& spec,
                                    const JobStatus& status,
                                    const JobLimits& limits,
                                    const Mutation& mutation);
  // NOT_FOUND (JOB_NOT_FOUND, CHECKPOINT_NOT_FOUND).
  absl::StatusOr<CheckpointRow> FindCheckpoint(JobNumber job,
                                               std::int64_t step);

  absl::Status Delete(JobNumber job, absl::string_view etag,
                      const Mutation& mutation);

  JobCatalog& catalog() { return catalog_; }
  ChangeListeners& listeners() { return listeners_; }
  JobMetrics& metrics() { return metrics_; }

 private:
  JobCatalog& catalog_;
  ChangeListeners listeners_;
  JobMetrics metrics_;
};

}  // namespace resnetd
