#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/models/pickle_value.h"

namespace resnetd {

// The stack, the marks and the memo of a pickle that is being read. Values
// below the last mark are out of reach until it goes. Not thread-safe. Part of
// ReadPickle.
//
// Errors: DATA_LOSS (WEIGHTS_CORRUPT) when the pickle takes what is not there;
// INVALID_ARGUMENT (LIMIT_EXCEEDED, metadata "limit") for the limits.
class PickleStack {
 public:
  struct Limits {
    // Pushed values; the same one twice counts twice.
    std::size_t max_pushed = 0;
    std::size_t max_height = 0;
    std::size_t max_marks = 0;
  };
  explicit PickleStack(const Limits& limits) : limits_(limits) {}

  absl::Status Push(PickleId id);
  absl::StatusOr<PickleId> Pop();
  // The value on top, which stays; absent when there is none.
  std::optional<PickleId> Top() const;

  absl::Status PushMark();
  // The values above the last mark, which goes too.
  absl::StatusOr<std::vector<PickleId>> PopToMark();

  // The value on top becomes the entry `index` of the memo. Python numbers the
  // entries in order, so that there are never more of them than values.
  absl::Status Put(std::uint64_t index);
  // Pushes that entry.
  absl::Status Get(std::uint64_t index);

  bool empty() const { return stack_.empty() && marks_.empty(); }

 private:
  std::size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }

  const Limits limits_;
  std::size_t pushed_ = 0;
  std::vector<PickleId> stack_;
  // Heights of the stack at which marks stand.
  std::vector<std::size_t> marks_;
  std::vector<std::optional<PickleId>> memo_;
};

}  // namespace resnetd
