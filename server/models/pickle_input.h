#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace resnetd {

// The bytes of a pickle, from front to back. Does not own them. Not
// thread-safe. Part of ReadPickle. Errors are DATA_LOSS (WEIGHTS_CORRUPT):
// fewer bytes are left than are asked for.
class PickleInput {
 public:
  explicit PickleInput(absl::Span<const std::uint8_t> bytes) : bytes_(bytes) {}

  std::size_t position() const { return next_; }
  std::size_t left() const { return bytes_.size() - next_; }

  absl::StatusOr<absl::string_view> Take(std::size_t count);
  // The number in the next `count` <= 8 bytes, little-endian.
  absl::StatusOr<std::uint64_t> TakeNumber(std::size_t count);
  // Up to the next line end, which goes too; an error when that is further
  // than `max_bytes`.
  absl::StatusOr<absl::string_view> TakeLine(std::size_t max_bytes);

 private:
  const absl::Span<const std::uint8_t> bytes_;
  std::size_t next_ = 0;
};

}  // namespace resnetd
