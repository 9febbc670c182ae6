#pragma once

#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/base/clock.h"
#include "server/store/alias_table.h"
#include "server/store/store.h"

namespace resnetd {

// What a move makes of an alias. A plain value.
struct DecidedMove {
  AliasRow row;
  // False: the alias was there already; nothing is to be written.
  bool changed = true;
};

// Decides a move to a version that is committed. `before`: what the database
// has of the name. ABORTED (ALIAS_MOVED, ETAG_MISMATCH).
absl::StatusOr<DecidedMove> DecideMove(const std::optional<AliasRecord>& before,
                                       const AliasMove& move, WallTime now);

// ABORTED (ETAG_MISMATCH) unless `expected` is empty or `current`, which is
// empty for what is not there.
absl::Status CheckEtag(absl::string_view what, absl::string_view expected,
                       absl::string_view current);

}  // namespace resnetd
