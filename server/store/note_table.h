#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/store/database.h"

namespace resnetd {

// The table `notes`. DATA_LOSS (STORE_CORRUPT): a row is damaged. Those that
// write belong into a transaction.

// Empty: none.
absl::StatusOr<std::string> ReadNote(Database& database, absl::string_view key);
absl::Status WriteNote(Database& database, absl::string_view key,
                       absl::string_view value);

// DATA_LOSS (STORE_CORRUPT): a row is damaged.
absl::Status CheckNoteTable(Database& database);

}  // namespace resnetd
