#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/store/database.h"

namespace resnetd {

// Rows of a table that belong to an owner, whose number is in the column
// `owner`, and count up from 1 in the column `sequence`.

// The newest; 0: none. Quick, and does not check the row.
absl::StatusOr<std::int64_t> LastSequence(Database& database,
                                          absl::string_view table,
                                          absl::string_view owner,
                                          std::int64_t number);
// Removes the oldest, at most `limit`. Returns false when there was none. Part
// of a transaction.
absl::StatusOr<bool> RemoveOldest(Database& database, absl::string_view table,
                                  absl::string_view owner, std::int64_t number,
                                  std::int64_t limit);

}  // namespace resnetd
