#pragma once

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/store/database.h"

namespace resnetd {

// The table `uploads`: how far each upload of a dataset is. `dataset` is a
// DatasetRecord::number. Every function that reads a row checks its seal:
// DATA_LOSS (STORE_CORRUPT). Those that write belong into a transaction.

// Nullopt: never seen.
absl::StatusOr<std::optional<std::int64_t>> ReadUpload(
    Database& database, std::int64_t dataset, absl::string_view upload);
// Adds or replaces.
absl::Status WriteUpload(Database& database, std::int64_t dataset,
                         absl::string_view upload, std::int64_t next_index);
absl::Status RemoveUploads(Database& database, std::int64_t dataset);

// Reads all of them; returns how many there are.
absl::StatusOr<std::int64_t> CheckUploads(Database& database,
                                          std::int64_t dataset);

}  // namespace resnetd
