#include "server/store/seal.h"

#include <array>
#include <chrono>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "server/base/bytes.h"
#include "server/base/error.h"

namespace resnetd {
namespace {

// A letter for the type and 8 bytes, least first.
void AddWord(Sha256& hash, char kind, std::uint64_t word) {
  std::array<unsigned char, 9> bytes{static_cast<unsigned char>(kind)};
  for (std::size_t i = 0; i < 8; ++i) {
    bytes[i + 1] = static_cast<unsigned char>((word >> (8 * i)) & 0xFFU);
  }
  hash.Update(bytes);
}

}  // namespace

Seal& Seal::Add(std::int64_t value) {
  AddWord(hash_, 'i', static_cast<std::uint64_t>(value));
  return *this;
}

Seal& Seal::Add(absl::string_view value) {
  AddWord(hash_, 't', value.size());
  hash_.Update(AsBytes(value));
  return *this;
}

Seal& Seal::Add(std::optional<std::int64_t> value) {
  if (value) {
    return Add(*value);
  }
  AddWord(hash_, 'n', 0);
  return *this;
}

absl::Status DamagedDatabase(absl::string_view what) {
  return Error(absl::StatusCode::kDataLoss, Reason::kStoreCorrupt,
               absl::StrCat("the database of the store is damaged: ", what));
}

absl::Status CheckSeal(Seal seal, absl::string_view stored,
                       absl::string_view table) {
  if (seal.Hex() != stored) {
    return DamagedDatabase(
        absl::StrCat("a row of ", table, " is not as it was written"));
  }
  return absl::OkStatus();
}

std::int64_t ToMicroseconds(WallTime time) {
  return std::chrono::floor<std::chrono::microseconds>(time.time_since_epoch())
      .count();
}

WallTime FromMicroseconds(std::int64_t microseconds) {
  return WallTime(std::chrono::duration_cast<WallTime::duration>(
      std::chrono::microseconds(microseconds)));
}

}  // namespace resnetd
