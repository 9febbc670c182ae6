#pragma once

#include <set>

#include "absl/status/statusor.h"
#include "server/store/database.h"
#include "server/store/store_types.h"

namespace resnetd {

// Every blob that something names: a committed version, a dataset that is not
// deleted, a checkpoint. The collector keeps them. DATA_LOSS (STORE_CORRUPT): a
// row is damaged or missing: then nothing may be collected.
absl::StatusOr<std::set<Digest>> ReadNamedBlobs(Database& database);

}  // namespace resnetd
