#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/base/clock.h"
#include "server/base/sha256.h"

namespace resnetd {

// SHA-256 over the columns of a row, which is stored with it: SQLite does not
// notice a flipped bit inside a value, and a wrong row must never be an answer.
// Each column is hashed with its type and length, so that no two rows read
// alike. Not thread-safe.
class Seal {
 public:
  explicit Seal(absl::string_view table) { Add(table); }

  Seal& Add(std::int64_t value);
  Seal& Add(absl::string_view value);
  Seal& Add(std::optional<std::int64_t> value);

  // 64 hex digits. Once, at the end.
  std::string Hex() { return hash_.Finish(); }

 private:
  Sha256 hash_;
};

// DATA_LOSS (STORE_CORRUPT): "the database of the store is damaged: WHAT".
absl::Status DamagedDatabase(absl::string_view what);
// DATA_LOSS (STORE_CORRUPT): `stored` is not the seal of the row.
absl::Status CheckSeal(Seal seal, absl::string_view stored,
                       absl::string_view table);

// Points in time as the database keeps them.
std::int64_t ToMicroseconds(WallTime time);
WallTime FromMicroseconds(std::int64_t microseconds);

}  // namespace resnetd
