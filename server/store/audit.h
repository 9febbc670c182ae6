#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/store/database.h"
#include "server/store/head_table.h"
#include "server/store/store.h"

namespace resnetd {

// SHA-256 over the hash of the row before (empty for the first) and all but the
// hash of `row`: no row can be changed, removed or put in between without
// changing every later one.
std::string AuditHash(const std::string& before, const AuditRow& row);

// The table `audit`. AppendAudit is part of a transaction and changes `head`,
// which the caller writes.

// Fills sequence and hash.
absl::Status AppendAudit(Database& database, AuditRow row, Head& head);
// At most `limit` rows after `after`, in order, their part of the chain
// verified: DATA_LOSS (STORE_CORRUPT).
absl::StatusOr<std::vector<AuditRow>> ReadAudit(Database& database,
                                                std::int64_t after,
                                                std::size_t limit);

// DATA_LOSS (STORE_CORRUPT): the chain is broken, or its end is missing.
absl::Status CheckAudit(Database& database);

}  // namespace resnetd
