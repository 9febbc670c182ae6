#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/base/ids.h"
#include "server/store/database.h"
#include "server/store/store.h"

namespace resnetd {

// What the table `aliases` knows of a name. A plain value.
struct AliasRecord {
  AliasRow row;
  // The alias was removed: only the generation counts, from which a new alias
  // of the name goes on.
  bool removed = false;
};

// The table `aliases`. Every function that reads a row checks its seal:
// DATA_LOSS (STORE_CORRUPT). Those that write belong into a transaction.

// nullopt: never made.
absl::StatusOr<std::optional<AliasRecord>> FindAlias(Database& database,
                                                     const ModelName& model,
                                                     absl::string_view alias);
// Those not removed, ordered by name.
absl::StatusOr<std::vector<AliasRow>> ListAliasRows(Database& database,
                                                    const ModelName& model);
// Those not removed, of all models.
absl::StatusOr<std::vector<AliasRow>> ListAllAliases(Database& database);
// Adds or replaces. Returns true when the name was never there before.
absl::StatusOr<bool> WriteAlias(Database& database, const AliasRecord& record);
// `previous` of every alias that names `version` there becomes none.
absl::Status ForgetPrevious(Database& database, const ModelName& model,
                            VersionNumber version);

// Why the move that made this generation was made although the gate had said
// no; empty: it had not. Kept as a note, for as long as the store.
absl::StatusOr<std::string> ReadOverride(Database& database,
                                         const ModelName& model,
                                         absl::string_view alias,
                                         std::int64_t generation);

// DATA_LOSS (STORE_CORRUPT): a row is damaged, or an alias names what is not a
// committed version. Returns the number of rows.
absl::StatusOr<std::int64_t> CheckAliasTable(Database& database);

}  // namespace resnetd
