#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/store/database.h"
#include "server/store/store_types.h"

namespace resnetd {

// A blob that pictures of a dataset lie in. A plain value.
struct PackRow {
  std::int64_t dataset = 0;
  // From 1 on in each dataset.
  std::int64_t number = 0;
  Digest digest;
  // Of the blob.
  std::int64_t bytes = 0;
};

// The table `packs`. Every function that reads a row checks its seal: DATA_LOSS
// (STORE_CORRUPT). Those that write belong into a transaction.

absl::StatusOr<std::optional<PackRow>> FindPack(Database& database,
                                                std::int64_t dataset,
                                                const Digest& digest);
// Ordered by number.
absl::StatusOr<std::vector<PackRow>> ListPacks(Database& database,
                                               std::int64_t dataset);
absl::Status InsertPack(Database& database, const PackRow& row);
absl::Status RemovePacks(Database& database, std::int64_t dataset);

}  // namespace resnetd
