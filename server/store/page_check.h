#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "server/store/database.h"

namespace resnetd {

// Databases up to this size are looked at whole at every start: some 200,000
// examples, about 0.2 s.
inline constexpr std::int64_t kWholeCheckBytes = 64LL << 20;

// The check of a start: DATA_LOSS (STORE_CORRUPT): the pages of the database do
// not fit together. Of one of more than `whole_bytes` the pages of those tables
// that grow without end are left out: they are checked when they are read, and
// by Store::Verify().
absl::Status CheckPages(Database& database,
                        std::int64_t whole_bytes = kWholeCheckBytes);

}  // namespace resnetd
