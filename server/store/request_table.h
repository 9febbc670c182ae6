#pragma once

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/base/clock.h"
#include "server/store/database.h"
#include "server/store/store.h"

namespace resnetd {

// What a mutation answered. A plain value.
struct Outcome {
  // Name of what it made or changed: "models/NAME/versions/N" or
  // "models/NAME/aliases/ALIAS".
  std::string resource;
  // False: it was there before.
  bool created = false;
};

// The table `requests`: idempotency keys. DATA_LOSS (STORE_CORRUPT): a row is
// damaged. Those that write belong into a transaction.

// nullopt: the mutation has no key, or a new one. ALREADY_EXISTS
// (REQUEST_ID_CONFLICT): the key is that of another request.
absl::StatusOr<std::optional<Outcome>> FindRequest(Database& database,
                                                   const Mutation& mutation);
// Nothing for a mutation without a key.
absl::Status RememberRequest(Database& database, const Mutation& mutation,
                             const Outcome& outcome, WallTime now);
// Removes keys from before `before`.
absl::Status ExpireRequests(Database& database, WallTime before);

// DATA_LOSS (STORE_CORRUPT): a row is damaged.
absl::Status CheckRequestTable(Database& database);

}  // namespace resnetd
