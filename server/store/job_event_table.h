#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/base/ids.h"
#include "server/store/database.h"
#include "server/store/job_catalog.h"

namespace resnetd {

// The table `job_events`. Every function that reads a row checks its seal:
// DATA_LOSS (STORE_CORRUPT). Those that write belong into a transaction.

absl::Status InsertJobEvent(Database& database, JobNumber job,
                            const JobEventRow& event);
// At most `limit` after `after`, in order of sequence, without a gap.
absl::StatusOr<std::vector<JobEventRow>> ReadJobEvents(Database& database,
                                                       JobNumber job,
                                                       std::int64_t after,
                                                       std::int64_t limit);
absl::Status RemoveJobEvents(Database& database, JobNumber job);

}  // namespace resnetd
