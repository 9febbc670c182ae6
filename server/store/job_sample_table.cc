#include "server/store/job_sample_table.h"

#include <utility>

#include "server/base/status_macros.h"
#include "server/store/seal.h"

namespace resnetd {
namespace {

Seal SealOf(JobNumber job, const JobSampleRow& sample) {
  Seal seal("job_samples");
  seal.Add(job.value).Add(sample.step).Add(sample.ordinal).Add(sample.payload);
  return seal;
}

absl::StatusOr<std::int64_t> LastOrdinal(Database& database, JobNumber job) {
  Query query = database.Prepare(
      "SELECT ordinal FROM job_samples WHERE job = ? ORDER BY step DESC LIMIT "
      "1");
  query.Bind(job.value);
  ASSIGN_OR_RETURN(const bool found, query.Next());
  return found ? query.Int(0) : 0;
}

}  // namespace

absl::Status AddJobSample(Database& database, JobNumber job,
                          const JobSampleRow& sample) {
  RETURN_IF_ERROR(
      RemoveJobSamplesAfter(database, job, sample.step - 1).status());
  ASSIGN_OR_RETURN(const std::int64_t last, LastOrdinal(database, job));
  JobSampleRow row = sample;
  row.ordinal = last + 1;
  RETURN_IF_ERROR(database
                      .Prepare("INSERT INTO job_samples(job, step, ordinal, "
                               "payload, seal) VALUES(?, ?, ?, ?, ?)")
                      .Bind(job.value)
                      .Bind(row.step)
                      .Bind(row.ordinal)
                      .Bind(row.payload)
                      .Bind(SealOf(job, row).Hex())
                      .Run());
  return database
      .Prepare("DELETE FROM job_samples WHERE job = ? AND ordinal <= ?")
      .Bind(job.value)
      .Bind(row.ordinal - kMaxJobSamples)
      .Run();
}

absl::StatusOr<bool> RemoveJobSamplesAfter(Database& database, JobNumber job,
                                           std::int64_t step) {
  bool found = false;
  {
    Query query = database.Prepare(
        "SELECT 1 FROM job_samples WHERE job = ? AND step > ? LIMIT 1");
    query.Bind(job.value).Bind(step);
    ASSIGN_OR_RETURN(found, query.Next());
  }
  if (found) {
    RETURN_IF_ERROR(
        database.Prepare("DELETE FROM job_samples WHERE job = ? AND step > ?")
            .Bind(job.value)
            .Bind(step)
            .Run());
  }
  return found;
}

absl::Status RemoveJobSamples(Database& database, JobNumber job) {
  return database.Prepare("DELETE FROM job_samples WHERE job = ?")
      .Bind(job.value)
      .Run();
}

absl::StatusOr<std::vector<JobSampleRow>> ReadJobSamples(Database& database,
                                                         JobNumber job,
                                                         std::int64_t first,
                                                         std::int64_t last) {
  Query query = database.Prepare(
      "SELECT step, ordinal, payload, seal FROM job_samples WHERE job = ? AND "
      "step >= ? AND step <= ? ORDER BY step");
  query.Bind(job.value).Bind(first).Bind(last);
  std::vector<JobSampleRow> samples;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, query.Next());
    if (!found) {
      return samples;
    }
    JobSampleRow sample{.step = query.Int(0),
                        .ordinal = query.Int(1),
                        .payload = query.Text(2)};
    RETURN_IF_ERROR(
        CheckSeal(SealOf(job, sample), query.Text(3), "job_samples"));
    if (!samples.empty() && sample.ordinal != samples.back().ordinal + 1) {
      return DamagedDatabase("a sample of a job is missing");
    }
    samples.push_back(std::move(sample));
  }
}

absl::StatusOr<JobSampleRow> FindOldestJobSample(Database& database,
                                                 JobNumber job) {
  Query query = database.Prepare(
      "SELECT step, ordinal FROM job_samples WHERE job = ? ORDER BY step LIMIT "
      "1");
  query.Bind(job.value);
  ASSIGN_OR_RETURN(const bool found, query.Next());
  JobSampleRow oldest;
  if (found) {
    oldest.step = query.Int(0);
    oldest.ordinal = query.Int(1);
  }
  return oldest;
}

}  // namespace resnetd
