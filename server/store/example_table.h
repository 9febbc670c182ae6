#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/store/database.h"
#include "server/store/dataset_catalog.h"

namespace resnetd {

// The table `examples`. `dataset` is a DatasetRecord::number. Every function
// that reads a row checks its seal: DATA_LOSS (STORE_CORRUPT). Those that write
// belong into a transaction.

// `pack`: PackRow::number of row.pack. The dataset has not got the picture.
absl::Status InsertExample(Database& database, std::int64_t dataset,
                           const ExampleRow& row, std::int64_t pack);
absl::StatusOr<std::optional<ExampleRow>> FindExampleRow(Database& database,
                                                         std::int64_t dataset,
                                                         const Digest& image);
// At most `limit` after `after`, in order of sequence, without a gap.
absl::StatusOr<std::vector<ExampleRow>> ReadExamples(Database& database,
                                                     std::int64_t dataset,
                                                     std::int64_t after,
                                                     std::int64_t limit);
// Shows all of them in order of sequence, without a gap; returns how many.
absl::StatusOr<std::int64_t> ForEachExample(
    Database& database, std::int64_t dataset,
    const std::function<void(const ExampleRow&)>& show);

}  // namespace resnetd
