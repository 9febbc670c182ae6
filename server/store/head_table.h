#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/store/database.h"

namespace resnetd {

// The one row that says how far the tables go, so that rows that vanished are
// noticed. A plain value.
struct Head {
  // The newest row of the audit; 0: none.
  std::int64_t audit_sequence = 0;
  std::string audit_hash;
  // The newest event; 0: none.
  std::int64_t event_sequence = 0;
  // The first event that is kept, or would be.
  std::int64_t oldest_event = 1;
  // Rows of the tables `models` and `aliases`.
  std::int64_t models = 0;
  std::int64_t aliases = 0;
};

// DATA_LOSS (STORE_CORRUPT): the row is damaged.
absl::StatusOr<Head> ReadHead(Database& database);
// Part of a transaction.
absl::Status WriteHead(Database& database, const Head& head);

}  // namespace resnetd
