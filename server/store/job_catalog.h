#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/base/clock.h"
#include "server/base/ids.h"
#include "server/store/store_types.h"

namespace resnetd {

// A job as the database has it. What its texts say is the finetune module's.
struct JobRow {
  JobNumber number;
  // Of finetune's JobState; what is done never changes its state again.
  int state = 0;
  bool is_done = false;
  // Canonical JSON, never changed.
  std::string spec;
  // JSON, changed with every transition.
  std::string status;
  // What the job reads: kept until it is done.
  DatasetName dataset;
  // Grows by one with every change; the etag is "j<generation>".
  std::int64_t generation = 1;
  // The sequence of its newest event; 0: none. Given by the catalog.
  std::int64_t last_event = 0;
  WallTime created;
  WallTime updated;
};

std::string EtagOf(const JobRow& job);

// One event of a job. Sequences begin with 1 and have no gaps.
struct JobEventRow {
  std::int64_t sequence = 0;
  WallTime time;
  // Of finetune's JobEventKind.
  int kind = 0;
  // JSON.
  std::string payload;
};

// Blobs that a job keeps: checkpoints, and what its report needs.
struct CheckpointRow {
  // The optimiser step it was taken after; a second one of a step replaces the
  // first.
  std::int64_t step = 0;
  // JSON: what the blobs are and what was measured.
  std::string manifest;
  std::vector<Digest> blobs;
  std::int64_t bytes = 0;
  // Given by the catalog.
  WallTime created;
};

// What a job shows of its gradients at one step.
struct JobSampleRow {
  // From 1 on.
  std::int64_t step = 0;
  // From 1 on without gaps, in order of step. Given by the catalog.
  std::int64_t ordinal = 0;
  // Of finetune's FormatSample().
  std::string payload;
};

// Samples that a job keeps, the newest ones: of 50 blocks about 45 MB.
inline constexpr std::int64_t kMaxJobSamples = 4096;

struct JobSamples {
  // Of the steps asked for.
  std::vector<JobSampleRow> rows;
  // The oldest step with a sample; 0: there is none.
  std::int64_t oldest_step = 0;
  // Samples before it were removed.
  bool has_expired = false;
};

// What changes together, in one transaction.
struct JobChange {
  JobNumber job;
  // ABORTED (ETAG_MISMATCH) when the job has another generation; nullopt: any.
  std::optional<std::int64_t> expected_generation;
  std::optional<int> state;
  bool is_done = false;
  std::optional<std::string> status;
  // Without sequence and time, which the catalog gives.
  std::vector<JobEventRow> events;
  std::optional<CheckpointRow> checkpoint;
  // Steps of checkpoints that are removed, before `checkpoint` is added;
  // unknown ones are none.
  std::vector<std::int64_t> remove_checkpoints;
  // Samples of later steps are removed: of a way that was gone back.
  std::optional<std::int64_t> forget_samples_after;
  // Added afterwards, in order of step; see kMaxJobSamples. Without ordinals.
  std::vector<JobSampleRow> samples;
  // The job may be done: the change is of what became of its result, and has no
  // state.
  bool after_end = false;
};

struct CreatedJob {
  JobRow job;
  // False: the same request was carried out before.
  bool created = false;
};

// How many jobs may be open, which means that they are not done.
struct JobLimits {
  std::int64_t open = 100;
  // Of those, created by one principal: nobody is told from anybody else where
  // nobody is asked for credentials.
  std::int64_t open_per_creator = 10;
};

// Jobs that are not done.
struct OpenJobs {
  std::int64_t all = 0;
  // Those that whoever asks for another one created; 0: not known who asks.
  std::int64_t of_creator = 0;
};

// RESOURCE_EXHAUSTED (QUEUE_FULL), metadata "limit_name" and "limit", when
// `open` leaves no room for another job under `limits`.
absl::Status CheckRoom(const OpenJobs& open, const JobLimits& limits);

// Jobs of a store. What a method answered OK survives any crash. Thread-safe;
// mutations wait for the disk. Errors of every mutation: those of Store.
class JobCatalog {
 public:
  virtual ~JobCatalog() = default;

  // What the request of `mutation` made or changed when it was carried out
  // before, e.g. "jobs/7" or "models/NAME/versions/3"; nullopt: it was not, or
  // it has no request_id. ALREADY_EXISTS (REQUEST_ID_CONFLICT).
  virtual absl::StatusOr<std::optional<std::string>> FindRequest(
      const Mutation& mutation) = 0;

  // Whether a job of the mutation's actor would find room now: CheckRoom()
  // above.
  virtual absl::Status CheckRoom(const JobLimits& limits,
                                 const Mutation& mutation) = 0;
  // `job` without number, generation and times, with its first events.
  // RESOURCE_EXHAUSTED (QUEUE_FULL): see CheckRoom(); NOT_FOUND
  // (DATASET_NOT_FOUND). A repetition of the same request, here and below, is
  // answered with the job as it is now: NOT_FOUND (JOB_NOT_FOUND) when it was
  // deleted since.
  virtual absl::StatusOr<CreatedJob> CreateJob(
      const JobRow& job, const std::vector<JobEventRow>& events,
      const JobLimits& limits, const Mutation& mutation) = 0;
  // With `mutation` the change has an audit row and an idempotency key of its
  // own; without, it is the server's own doing. NOT_FOUND (JOB_NOT_FOUND,
  // BLOB_NOT_FOUND); ABORTED (ETAG_MISMATCH); FAILED_PRECONDITION (JOB_STATE):
  // the job is done and the change is neither empty but for checkpoints nor
  // after_end. A change
  // that is empty changes nothing, the generation neither, and has no audit
  // row.
  virtual absl::StatusOr<JobRow> ChangeJob(
      const JobChange& change, const std::optional<Mutation>& mutation) = 0;
  // Removes a done job with its events, samples and checkpoints. NOT_FOUND;
  // ABORTED; FAILED_PRECONDITION (JOB_STATE): not done.
  virtual absl::Status DeleteJob(JobNumber job, absl::string_view etag,
                                 const Mutation& mutation) = 0;

  // Newest first.
  virtual absl::StatusOr<std::vector<JobRow>> ListJobs() = 0;
  // Those that are not done, oldest first.
  virtual absl::StatusOr<std::vector<JobRow>> ListOpenJobs() = 0;
  // NOT_FOUND (JOB_NOT_FOUND).
  virtual absl::StatusOr<JobRow> GetJob(JobNumber job) = 0;
  // At most `limit` after `after`. NOT_FOUND.
  virtual absl::StatusOr<std::vector<JobEventRow>> ListJobEvents(
      JobNumber job, std::int64_t after, std::size_t limit) = 0;
  // In order of step. NOT_FOUND.
  virtual absl::StatusOr<std::vector<CheckpointRow>> ListCheckpoints(
      JobNumber job) = 0;
  // Of the steps from `first` to `last`, in their order. NOT_FOUND.
  virtual absl::StatusOr<JobSamples> ListJobSamples(JobNumber job,
                                                    std::int64_t first,
                                                    std::int64_t last) = 0;
};

}  // namespace resnetd
