#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/base/error.h"
#include "server/base/status_macros.h"
#include "server/store/alias_move.h"
#include "server/store/blob_pins.h"
#include "server/store/checkpoint_table.h"
#include "server/store/durable_datasets.h"
#include "server/store/durable_jobs.h"
#include "server/store/job_event_table.h"
#include "server/store/job_sample_table.h"
#include "server/store/seal.h"
#include "server/store/tally_table.h"
#include "server/store/tombstone_table.h"

namespace resnetd {
namespace {

using Change = Connections::Change;

// Of "jobs/N", as a request remembers it.
absl::StatusOr<JobNumber> NumberOf(absl::string_view resource) {
  JobNumber job;
  if (!absl::ConsumePrefix(&resource, "jobs/") ||
      !absl::SimpleAtoi(resource, &job.value)) {
    return DamagedDatabase("a request names no job");
  }
  return job;
}

absl::Status WrongState(const JobRow& row, absl::string_view what) {
  return Error(absl::StatusCode::kFailedPrecondition, Reason::kJobState,
               absl::StrCat("job ", row.number.value, " is ",
                            row.is_done ? "done" : "not done", what))
      .Metadata("state", absl::StrCat(row.state));
}

absl::Status CheckGeneration(const JobRow& row,
                             std::optional<std::int64_t> expected) {
  if (!expected) {
    return absl::OkStatus();
  }
  return CheckEtag(absl::StrCat("job ", row.number.value),
                   absl::StrCat("j", *expected), EtagOf(row));
}

// Adds `events` with the time and sequences of their own.
absl::Status AddEvents(const Change& change,
                       const std::vector<JobEventRow>& events,
                       JobRecord& record) {
  for (JobEventRow event : events) {
    event.sequence = ++record.row.last_event;
    event.time = change.now;
    RETURN_IF_ERROR(InsertJobEvent(change.database, record.row.number, event));
  }
  return absl::OkStatus();
}

// Returns whether there was anything to remove or add.
absl::StatusOr<bool> ChangeCheckpoints(const Change& change,
                                       const JobChange& wanted,
                                       JobRecord& record) {
  bool changed = false;
  for (const std::int64_t step : wanted.remove_checkpoints) {
    ASSIGN_OR_RETURN(
        const bool removed,
        RemoveCheckpoint(change.database, record.row.number, step));
    record.checkpoints -= removed ? 1 : 0;
    changed |= removed;
  }
  if (!wanted.checkpoint) {
    return changed;
  }
  CheckpointRow checkpoint = *wanted.checkpoint;
  checkpoint.created = change.now;
  ASSIGN_OR_RETURN(
      const bool added,
      WriteCheckpoint(change.database, record.row.number, checkpoint));
  record.checkpoints += added ? 1 : 0;
  for (const Digest& digest : checkpoint.blobs) {
    RETURN_IF_ERROR(RemoveTombstone(change.database, digest));
  }
  return true;
}

// Returns whether there was anything to remove or add.
absl::StatusOr<bool> ChangeSamples(const Change& change,
                                   const JobChange& wanted) {
  bool changed = !wanted.samples.empty();
  if (wanted.forget_samples_after) {
    ASSIGN_OR_RETURN(const bool removed,
                     RemoveJobSamplesAfter(change.database, wanted.job,
                                           *wanted.forget_samples_after));
    changed |= removed;
  }
  for (const JobSampleRow& sample : wanted.samples) {
    RETURN_IF_ERROR(AddJobSample(change.database, wanted.job, sample));
  }
  return changed;
}

// Whether the change says something of the job.
bool HasText(const JobChange& wanted) {
  return wanted.state || wanted.is_done || wanted.status ||
         !wanted.events.empty();
}

// Whether the change is of the job itself.
bool IsOfJob(const JobChange& wanted) {
  return HasText(wanted) || !wanted.samples.empty() ||
         wanted.forget_samples_after;
}

// Carries the change out on `record`; returns whether it changed anything.
absl::StatusOr<bool> Apply(const Change& change, const JobChange& wanted,
                           JobRecord& record) {
  JobRow& row = record.row;
  row.state = wanted.state.value_or(row.state);
  row.is_done |= wanted.is_done;
  row.status = wanted.status.value_or(row.status);
  RETURN_IF_ERROR(AddEvents(change, wanted.events, record));
  ASSIGN_OR_RETURN(const bool checkpoints,
                   ChangeCheckpoints(change, wanted, record));
  ASSIGN_OR_RETURN(const bool samples, ChangeSamples(change, wanted));
  if (!checkpoints && !samples && !HasText(wanted)) {
    return false;
  }
  ++row.generation;
  row.updated = change.now;
  RETURN_IF_ERROR(WriteJob(change.database, record));
  return true;
}

// Whose jobs are counted; empty: nobody's.
absl::string_view CreatorOf(const Mutation& mutation) {
  return mutation.actor == kAnonymous ? absl::string_view() : mutation.actor;
}

absl::Status NoRoom(absl::string_view flag, std::int64_t limit,
                    absl::string_view text) {
  return Error(absl::StatusCode::kResourceExhausted, Reason::kQueueFull, text)
      .Metadata("limit_name", flag)
      .Metadata("limit", absl::StrCat(limit))
      .RetryAfter(std::chrono::minutes(1));
}

}  // namespace

absl::Status CheckRoom(const OpenJobs& open, const JobLimits& limits) {
  // What the caller can do something about comes first.
  if (open.of_creator >= limits.open_per_creator) {
    return NoRoom("max-jobs-per-client", limits.open_per_creator,
                  absl::StrCat("you have ", open.of_creator,
                               " jobs that wait or run, at most ",
                               limits.open_per_creator,
                               " are accepted for one caller: wait until one "
                               "is done, or cancel one"));
  }
  if (open.all >= limits.open) {
    return NoRoom(
        "max-jobs", limits.open,
        absl::StrCat(open.all, " jobs wait or run, at most ", limits.open,
                     " are accepted: wait until one is done"));
  }
  return absl::OkStatus();
}

absl::Status DurableJobs::CheckRoom(const JobLimits& limits,
                                    const Mutation& mutation) {
  MutexLock lock(db_.read_mutex());
  ASSIGN_OR_RETURN(const Snapshot snapshot, Snapshot::Begin(db_.reader()));
  ASSIGN_OR_RETURN(const OpenJobs open,
                   CountOpenJobs(db_.reader(), CreatorOf(mutation)));
  return resnetd::CheckRoom(open, limits);
}

absl::StatusOr<CreatedJob> DurableJobs::CreateJob(
    const JobRow& job, const std::vector<JobEventRow>& events,
    const JobLimits& limits, const Mutation& mutation) {
  RETURN_IF_ERROR(CheckWritable(db_, blobs_));
  MutexLock lock(db_.write_mutex());
  ASSIGN_OR_RETURN(Change change, db_.Begin());
  ASSIGN_OR_RETURN(const std::optional<Outcome> repeated,
                   resnetd::FindRequest(change.database, mutation));
  if (repeated) {
    ASSIGN_OR_RETURN(const JobNumber number, NumberOf(repeated->resource));
    ASSIGN_OR_RETURN(JobRecord record, ReadJob(change.database, number));
    return CreatedJob{.job = std::move(record.row), .created = false};
  }
  ASSIGN_OR_RETURN(const OpenJobs open,
                   CountOpenJobs(change.database, CreatorOf(mutation)));
  RETURN_IF_ERROR(resnetd::CheckRoom(open, limits));
  RETURN_IF_ERROR(ReadDataset(change.database, job.dataset).status());
  ASSIGN_OR_RETURN(Tally tally, ReadTally(change.database));
  ++tally.jobs;
  JobRecord record{.row = job};
  record.row.number = JobNumber{++tally.last_job};
  record.row.generation = 1;
  record.row.created = change.now;
  record.row.updated = change.now;
  record.row.last_event = static_cast<std::int64_t>(events.size());
  RETURN_IF_ERROR(WriteJob(change.database, record));
  RETURN_IF_ERROR(
      WriteJobCreator(change.database, record.row.number, CreatorOf(mutation)));
  // After the job, which they refer to.
  record.row.last_event = 0;
  RETURN_IF_ERROR(AddEvents(change, events, record));
  RETURN_IF_ERROR(WriteTally(change.database, tally));
  RETURN_IF_ERROR(db_.Record(
      change, mutation,
      {.resource = ResourceOf(record.row.number), .created = true},
      absl::StrCat("created over ", ResourceOf(record.row.dataset))));
  return CreatedJob{.job = std::move(record.row), .created = true};
}

absl::StatusOr<std::optional<std::string>> DurableJobs::FindRequest(
    const Mutation& mutation) {
  MutexLock lock(db_.read_mutex());
  ASSIGN_OR_RETURN(const std::optional<Outcome> outcome,
                   resnetd::FindRequest(db_.reader(), mutation));
  return outcome ? std::optional(outcome->resource) : std::nullopt;
}

absl::StatusOr<JobRow> DurableJobs::ChangeJob(
    const JobChange& change, const std::optional<Mutation>& mutation) {
  RETURN_IF_ERROR(CheckWritable(db_, blobs_));
  if (mutation) {
    // Before the blobs are looked for: since then they may have been removed
    // and collected.
    ASSIGN_OR_RETURN(const std::optional<std::string> repeated,
                     FindRequest(*mutation));
    if (repeated) {
      return GetJob(change.job);
    }
  }
  ASSIGN_OR_RETURN(
      const BlobPins pins,
      BlobPins::Take(blobs_, change.checkpoint ? change.checkpoint->blobs
                                               : std::vector<Digest>()));
  ASSIGN_OR_RETURN(JobRow row, CommitChange(change, mutation));
  pins.Named(blobs_);
  return row;
}

absl::StatusOr<JobRow> DurableJobs::CommitChange(
    const JobChange& wanted, const std::optional<Mutation>& mutation) {
  MutexLock lock(db_.write_mutex());
  ASSIGN_OR_RETURN(Change change, db_.Begin());
  ASSIGN_OR_RETURN(
      const std::optional<Outcome> repeated,
      resnetd::FindRequest(change.database, mutation.value_or(Mutation())));
  ASSIGN_OR_RETURN(JobRecord record, ReadJob(change.database, wanted.job));
  if (repeated) {
    return std::move(record.row);
  }
  RETURN_IF_ERROR(CheckGeneration(record.row, wanted.expected_generation));
  const bool may_change =
      !record.row.is_done || (wanted.after_end && !wanted.state);
  if (IsOfJob(wanted) && !may_change) {
    return WrongState(record.row, " and does not change any more");
  }
  ASSIGN_OR_RETURN(const bool changed, Apply(change, wanted, record));
  const Outcome outcome{.resource = ResourceOf(wanted.job)};
  if (!changed) {
    RETURN_IF_ERROR(
        db_.RecordNothing(change, mutation.value_or(Mutation()), outcome));
  } else if (mutation) {
    RETURN_IF_ERROR(
        db_.Record(change, *mutation, outcome,
                   absl::StrCat("state ", record.row.state, ", generation ",
                                record.row.generation)));
  } else {
    RETURN_IF_ERROR(db_.Finish(change));
  }
  return std::move(record.row);
}

absl::Status DurableJobs::DeleteJob(JobNumber job, absl::string_view etag,
                                    const Mutation& mutation) {
  RETURN_IF_ERROR(CheckWritable(db_, blobs_));
  MutexLock lock(db_.write_mutex());
  ASSIGN_OR_RETURN(Change change, db_.Begin());
  ASSIGN_OR_RETURN(const std::optional<Outcome> repeated,
                   resnetd::FindRequest(change.database, mutation));
  if (repeated) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const JobRecord record, ReadJob(change.database, job));
  RETURN_IF_ERROR(
      CheckEtag(absl::StrCat("job ", job.value), etag, EtagOf(record.row)));
  if (!record.row.is_done) {
    return WrongState(record.row, "; cancel it first");
  }
  RETURN_IF_ERROR(RemoveJobEvents(change.database, job));
  RETURN_IF_ERROR(RemoveJobSamples(change.database, job));
  RETURN_IF_ERROR(RemoveCheckpoints(change.database, job));
  RETURN_IF_ERROR(RemoveJob(change.database, job));
  ASSIGN_OR_RETURN(Tally tally, ReadTally(change.database));
  --tally.jobs;
  RETURN_IF_ERROR(WriteTally(change.database, tally));
  return db_.Record(change, mutation, {.resource = ResourceOf(job)}, "removed");
}

}  // namespace resnetd
