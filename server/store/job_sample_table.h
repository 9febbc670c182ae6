#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/base/ids.h"
#include "server/store/database.h"
#include "server/store/job_catalog.h"

namespace resnetd {

// The table `job_samples`. Every function that reads a row checks its seal:
// DATA_LOSS (STORE_CORRUPT). Those that write belong into a transaction.

// Adds a sample behind those of earlier steps: those of its step and of later
// ones were of a way that was gone back, and go. What is more than
// kMaxJobSamples goes too, the oldest first.
absl::Status AddJobSample(Database& database, JobNumber job,
                          const JobSampleRow& sample);
// Returns whether there were samples of steps after `step`.
absl::StatusOr<bool> RemoveJobSamplesAfter(Database& database, JobNumber job,
                                           std::int64_t step);
absl::Status RemoveJobSamples(Database& database, JobNumber job);
// Those of the steps from `first` to `last`, in their order, numbered without a
// gap.
absl::StatusOr<std::vector<JobSampleRow>> ReadJobSamples(Database& database,
                                                         JobNumber job,
                                                         std::int64_t first,
                                                         std::int64_t last);
// The oldest one that is kept, without its payload; its ordinal is 0 when there
// is none.
absl::StatusOr<JobSampleRow> FindOldestJobSample(Database& database,
                                                 JobNumber job);

}  // namespace resnetd
