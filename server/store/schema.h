#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "server/store/database.h"

namespace resnetd {

// "RSND": what `file` and sqlite3 show as the application id of the database.
inline constexpr std::int64_t kApplicationId = 0x52534E44;

// One step of the database's format. The n-th (from 1 on) leads to user_version
// n. A step that was released never changes: a new one follows it. A plain
// value.
struct Migration {
  absl::string_view script;
};

// Every step there is, in order.
absl::Span<const Migration> Migrations();

// Brings a database to the format of the last of `migrations`, each step in a
// transaction of its own. Returns true when the database was empty.
// FAILED_PRECONDITION (STORE_UNUSABLE): the database is another program's, or
// its format is newer than the last step.
absl::StatusOr<bool> Migrate(Database& database,
                             absl::Span<const Migration> migrations);

// DATA_LOSS (STORE_CORRUPT): tables and indexes are not those that `migrations`
// make.
absl::Status CheckSchema(Database& database,
                         absl::Span<const Migration> migrations);

}  // namespace resnetd
