#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/store/database.h"
#include "server/store/dataset_catalog.h"

namespace resnetd {

// The table `rejected_examples`. `dataset` is a DatasetRecord::number. Every
// function that reads a row checks its seal: DATA_LOSS (STORE_CORRUPT). Those
// that write belong into a transaction.

absl::Status InsertRejected(Database& database, std::int64_t dataset,
                            const RejectedRow& row);
// At most `limit` after `after`, in order of sequence, without a gap.
absl::StatusOr<std::vector<RejectedRow>> ReadRejected(Database& database,
                                                      std::int64_t dataset,
                                                      std::int64_t after,
                                                      std::int64_t limit);

}  // namespace resnetd
