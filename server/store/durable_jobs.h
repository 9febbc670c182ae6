#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/base/ids.h"
#include "server/store/blob_store.h"
#include "server/store/connections.h"
#include "server/store/job_catalog.h"
#include "server/store/job_table.h"

namespace resnetd {

// The jobs of a store's database. Thread-safe.
class DurableJobs final : public JobCatalog {
 public:
  // Both outlive it.
  DurableJobs(Connections& db, BlobStore& blobs) : db_(db), blobs_(blobs) {}

  absl::StatusOr<std::optional<std::string>> FindRequest(
      const Mutation& mutation) override;
  absl::Status CheckRoom(const JobLimits& limits,
                         const Mutation& mutation) override;
  absl::StatusOr<CreatedJob> CreateJob(const JobRow& job,
                                       const std::vector<JobEventRow>& events,
                                       const JobLimits& limits,
                                       const Mutation& mutation) override;
  absl::StatusOr<JobRow> ChangeJob(
      const JobChange& change,
      const std::optional<Mutation>& mutation) override;
  absl::Status DeleteJob(JobNumber job, absl::string_view etag,
                         const Mutation& mutation) override;

  absl::StatusOr<std::vector<JobRow>> ListJobs() override;
  absl::StatusOr<std::vector<JobRow>> ListOpenJobs() override;
  absl::StatusOr<JobRow> GetJob(JobNumber job) override;
  absl::StatusOr<std::vector<JobEventRow>> ListJobEvents(
      JobNumber job, std::int64_t after, std::size_t limit) override;
  absl::StatusOr<std::vector<CheckpointRow>> ListCheckpoints(
      JobNumber job) override;
  absl::StatusOr<JobSamples> ListJobSamples(JobNumber job, std::int64_t first,
                                            std::int64_t last) override;

  absl::StatusOr<std::int64_t> Count();

 private:
  // The blobs of its checkpoint are there and stay.
  absl::StatusOr<JobRow> CommitChange(const JobChange& wanted,
                                      const std::optional<Mutation>& mutation);

  Connections& db_;
  BlobStore& blobs_;
};

// NOT_FOUND (JOB_NOT_FOUND).
absl::StatusOr<JobRecord> ReadJob(Database& database, JobNumber job);

// "jobs/N".
std::string ResourceOf(JobNumber job);

}  // namespace resnetd
