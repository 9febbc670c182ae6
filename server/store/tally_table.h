#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/store/database.h"

namespace resnetd {

// The one row that says how many datasets and jobs there are, so that rows that
// vanished are noticed. A plain value.
struct Tally {
  // Rows of the tables `datasets` and `jobs`.
  std::int64_t datasets = 0;
  std::int64_t jobs = 0;
  // The newest number of a job, which is never given again; 0: none.
  std::int64_t last_job = 0;
};

// DATA_LOSS (STORE_CORRUPT): the row is damaged.
absl::StatusOr<Tally> ReadTally(Database& database);
// Part of a transaction.
absl::Status WriteTally(Database& database, const Tally& tally);

}  // namespace resnetd
