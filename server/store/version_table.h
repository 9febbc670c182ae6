#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/base/ids.h"
#include "server/store/database.h"
#include "server/store/store.h"

namespace resnetd {

// The tables `models` and `versions`. Every function that reads a row checks
// its seal: DATA_LOSS (STORE_CORRUPT). Those that write belong into a
// transaction.

// Whether the model ever had a version.
absl::StatusOr<bool> HasModel(Database& database, const ModelName& model);
// The next number of the model, which is never given again; makes the model.
// Or `wanted`, which was never given.
absl::StatusOr<VersionNumber> TakeVersionNumber(
    Database& database, const ModelName& model,
    std::optional<VersionNumber> wanted = std::nullopt);
// Ordered by name; models that have a committed version.
absl::StatusOr<std::vector<ModelName>> ListModelRows(Database& database);

// `row.version` is new.
absl::Status InsertVersion(Database& database, const VersionRow& row);
// Writes `row.state`, all that ever changes.
absl::Status UpdateVersionState(Database& database, const VersionRow& row);
// Of any state.
absl::StatusOr<std::optional<VersionRow>> FindVersion(Database& database,
                                                      const ModelName& model,
                                                      VersionNumber version);
absl::StatusOr<std::optional<VersionRow>> FindCommittedByContent(
    Database& database, const ModelName& model, absl::string_view content_key);
absl::StatusOr<std::int64_t> CountCommitted(Database& database,
                                            const ModelName& model);
// Committed, newest first.
absl::StatusOr<std::vector<VersionRow>> ListCommitted(Database& database,
                                                      const ModelName& model);
// Of all models, whatever their state.
absl::StatusOr<std::vector<VersionRow>> ListAllVersions(Database& database);

// The blobs that the version names, without the empty ones.
std::vector<Digest> BlobsOf(const VersionRow& row);

// DATA_LOSS (STORE_CORRUPT): a row is damaged, or the numbers of a model have a
// gap. Returns the number of models.
absl::StatusOr<std::int64_t> CheckVersionTables(Database& database);

}  // namespace resnetd
