#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/base/ids.h"
#include "server/store/database.h"
#include "server/store/job_catalog.h"
#include "server/store/tally_table.h"

namespace resnetd {

// What the table `jobs` knows of a job. A plain value.
struct JobRecord {
  JobRow row;
  // Rows of the table `checkpoints`.
  std::int64_t checkpoints = 0;
};

// The table `jobs`. Every function that reads a row checks its seal: DATA_LOSS
// (STORE_CORRUPT). Those that write belong into a transaction.

absl::StatusOr<std::optional<JobRecord>> FindJob(Database& database,
                                                 JobNumber job);
enum class WhichJobs { kAll, kOpen };
// In order of number.
absl::StatusOr<std::vector<JobRecord>> ListJobRecords(Database& database,
                                                      WhichJobs which);
absl::StatusOr<std::int64_t> CountJobs(Database& database);
// `creator`: as it was written of a job; empty: of nobody.
absl::StatusOr<OpenJobs> CountOpenJobs(Database& database,
                                       absl::string_view creator);
// Adds or replaces.
absl::Status WriteJob(Database& database, const JobRecord& record);
// The principal that created a job; jobs of before that was kept have none.
absl::Status WriteJobCreator(Database& database, JobNumber job,
                             absl::string_view creator);
// With its creator. Nothing else of the job is there any more.
absl::Status RemoveJob(Database& database, JobNumber job);

// A quick check of all tables of jobs, which does not read the events:
// DATA_LOSS (STORE_CORRUPT): there are not as many rows as `tally` says, one is
// damaged, or the last events of a job are missing.
absl::Status CheckJobTables(Database& database, const Tally& tally);

}  // namespace resnetd
