#pragma once

#include <cstdint>
#include <map>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/base/clock.h"
#include "server/store/database.h"
#include "server/store/store.h"

namespace resnetd {

// The table `tombstones`: blobs that no version names any more, and since when.
// DATA_LOSS (STORE_CORRUPT): a row is damaged. Those that write belong into a
// transaction.
absl::StatusOr<std::map<Digest, WallTime>> ReadTombstones(Database& database);
// Adds it, or sets its time.
absl::Status WriteTombstone(Database& database, const Digest& digest,
                            WallTime since);
// Nothing when there is none.
absl::Status RemoveTombstone(Database& database, const Digest& digest);

// Whether a blob that was named last at `since` may be removed at `now`. A
// `since` in the future, from before the clock was set back, never is due.
bool IsDue(WallTime since, WallTime now, Duration grace);

}  // namespace resnetd
