#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/base/ids.h"
#include "server/store/database.h"
#include "server/store/dataset_catalog.h"

namespace resnetd {

// What the table `datasets` knows of a dataset. A plain value.
struct DatasetRecord {
  // Its number in the other tables, from 1 on.
  std::int64_t number = 0;
  DatasetRow row;
  // Rows of the tables `packs` and `uploads`.
  std::int64_t packs = 0;
  std::int64_t uploads = 0;
};

// The table `datasets`. Every function that reads a row checks its seal:
// DATA_LOSS (STORE_CORRUPT). Those that write belong into a transaction.

// Of any state; nullopt: never made.
absl::StatusOr<std::optional<DatasetRecord>> FindDataset(
    Database& database, const DatasetName& name);
// Of any state, ordered by name.
absl::StatusOr<std::vector<DatasetRecord>> ListAllDatasets(Database& database);
// `record.number` is new.
absl::Status InsertDataset(Database& database, const DatasetRecord& record);
// Writes all but number, name and labels, which never change.
absl::Status UpdateDataset(Database& database, const DatasetRecord& record);

// How many there are that are not deleted, and how many examples they have.
struct DatasetCount {
  std::int64_t datasets = 0;
  std::int64_t examples = 0;
};
absl::StatusOr<DatasetCount> CountDatasets(Database& database);

// A quick check of all tables of datasets, which does not read the examples:
// DATA_LOSS (STORE_CORRUPT): there are not `datasets` rows, one is damaged, or
// the last rows of one are missing.
absl::Status CheckDatasetTables(Database& database, std::int64_t datasets);

}  // namespace resnetd
