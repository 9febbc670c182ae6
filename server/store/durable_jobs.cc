#include "server/store/durable_jobs.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/status_macros.h"
#include "server/store/checkpoint_table.h"
#include "server/store/job_event_table.h"
#include "server/store/job_sample_table.h"
#include "server/store/seal.h"

namespace resnetd {
namespace {

std::vector<JobRow> RowsOf(std::vector<JobRecord> records) {
  std::vector<JobRow> rows;
  rows.reserve(records.size());
  for (JobRecord& record : records) {
    rows.push_back(std::move(record.row));
  }
  return rows;
}

}  // namespace

std::string ResourceOf(JobNumber job) {
  return absl::StrCat("jobs/", job.value);
}

absl::StatusOr<JobRecord> ReadJob(Database& database, JobNumber job) {
  ASSIGN_OR_RETURN(std::optional<JobRecord> record, FindJob(database, job));
  if (!record) {
    return Error(absl::StatusCode::kNotFound, Reason::kJobNotFound,
                 absl::StrCat("job ", job.value, " does not exist"))
        .Resource("job", ResourceOf(job));
  }
  return *std::move(record);
}

absl::StatusOr<std::vector<JobRow>> DurableJobs::ListJobs() {
  MutexLock lock(db_.read_mutex());
  ASSIGN_OR_RETURN(std::vector<JobRecord> records,
                   ListJobRecords(db_.reader(), WhichJobs::kAll));
  std::reverse(records.begin(), records.end());
  return RowsOf(std::move(records));
}

absl::StatusOr<std::vector<JobRow>> DurableJobs::ListOpenJobs() {
  MutexLock lock(db_.read_mutex());
  ASSIGN_OR_RETURN(std::vector<JobRecord> records,
                   ListJobRecords(db_.reader(), WhichJobs::kOpen));
  return RowsOf(std::move(records));
}

absl::StatusOr<JobRow> DurableJobs::GetJob(JobNumber job) {
  MutexLock lock(db_.read_mutex());
  ASSIGN_OR_RETURN(JobRecord record, ReadJob(db_.reader(), job));
  return std::move(record.row);
}

absl::StatusOr<std::vector<JobEventRow>> DurableJobs::ListJobEvents(
    JobNumber job, std::int64_t after, std::size_t limit) {
  after = std::max<std::int64_t>(after, 0);
  MutexLock lock(db_.read_mutex());
  ASSIGN_OR_RETURN(const Snapshot snapshot, Snapshot::Begin(db_.reader()));
  ASSIGN_OR_RETURN(const JobRecord record, ReadJob(db_.reader(), job));
  const std::int64_t wanted = std::clamp<std::int64_t>(
      record.row.last_event - after, 0,
      static_cast<std::int64_t>(std::min(limit, std::size_t{1} << 30U)));
  ASSIGN_OR_RETURN(std::vector<JobEventRow> events,
                   ReadJobEvents(db_.reader(), job, after, wanted));
  if (static_cast<std::int64_t>(events.size()) != wanted) {
    return DamagedDatabase("events of a job are missing");
  }
  return events;
}

absl::StatusOr<std::vector<CheckpointRow>> DurableJobs::ListCheckpoints(
    JobNumber job) {
  MutexLock lock(db_.read_mutex());
  ASSIGN_OR_RETURN(const Snapshot snapshot, Snapshot::Begin(db_.reader()));
  ASSIGN_OR_RETURN(const JobRecord record, ReadJob(db_.reader(), job));
  ASSIGN_OR_RETURN(std::vector<CheckpointRow> checkpoints,
                   ReadCheckpoints(db_.reader(), job));
  if (static_cast<std::int64_t>(checkpoints.size()) != record.checkpoints) {
    return DamagedDatabase("a checkpoint of a job is missing");
  }
  return checkpoints;
}

absl::StatusOr<JobSamples> DurableJobs::ListJobSamples(JobNumber job,
                                                       std::int64_t first,
                                                       std::int64_t last) {
  MutexLock lock(db_.read_mutex());
  ASSIGN_OR_RETURN(const Snapshot snapshot, Snapshot::Begin(db_.reader()));
  RETURN_IF_ERROR(ReadJob(db_.reader(), job).status());
  ASSIGN_OR_RETURN(const JobSampleRow oldest,
                   FindOldestJobSample(db_.reader(), job));
  JobSamples samples{.rows = {},
                     .oldest_step = oldest.step,
                     .has_expired = oldest.ordinal > 1};
  ASSIGN_OR_RETURN(samples.rows,
                   ReadJobSamples(db_.reader(), job, first, last));
  return samples;
}

absl::StatusOr<std::int64_t> DurableJobs::Count() {
  MutexLock lock(db_.read_mutex());
  return CountJobs(db_.reader());
}

}  // namespace resnetd
