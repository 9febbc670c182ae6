#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/base/clock.h"
#include "server/store/database.h"
#include "server/store/head_table.h"
#include "server/store/store.h"

namespace resnetd {

// The table `events`. Every function that reads a row checks its seal:
// DATA_LOSS (STORE_CORRUPT). Those that write belong into a transaction and
// change `head`, which the caller writes.

// Gives `event` the next sequence number.
absl::Status AppendEvent(Database& database, EventRow event, Head& head);
// At most `limit` events after `after`, in order. OUT_OF_RANGE
// (EVENTS_EXPIRED): the next one is no longer kept, or `after` was never given
// (the store is older than the one who asks).
absl::StatusOr<std::vector<EventRow>> ReadEvents(Database& database,
                                                 std::int64_t after,
                                                 std::size_t limit);
// Removes events from before `before`, but not the newest `keep`. Returns
// whether there were any.
absl::StatusOr<bool> ExpireEvents(Database& database, WallTime before,
                                  std::int64_t keep, Head& head);

// DATA_LOSS (STORE_CORRUPT): a row is damaged or missing.
absl::Status CheckEventTable(Database& database);

}  // namespace resnetd
