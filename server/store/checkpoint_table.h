#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/base/ids.h"
#include "server/store/database.h"
#include "server/store/job_catalog.h"

namespace resnetd {

// The table `checkpoints`. Every function that reads a row checks its seal:
// DATA_LOSS (STORE_CORRUPT). Those that write belong into a transaction.

// Returns false when it replaced the one of its step.
absl::StatusOr<bool> WriteCheckpoint(Database& database, JobNumber job,
                                     const CheckpointRow& row);
// Returns false when there was none.
absl::StatusOr<bool> RemoveCheckpoint(Database& database, JobNumber job,
                                      std::int64_t step);
absl::Status RemoveCheckpoints(Database& database, JobNumber job);
// In order of step.
absl::StatusOr<std::vector<CheckpointRow>> ReadCheckpoints(Database& database,
                                                           JobNumber job);
// Of all jobs.
absl::StatusOr<std::vector<CheckpointRow>> ReadAllCheckpoints(
    Database& database);

}  // namespace resnetd
