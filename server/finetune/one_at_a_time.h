#pragma once

#include <atomic>
#include <chrono>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/base/clock.h"
#include "server/base/error.h"

namespace resnetd {

// When to come back for work of which one call runs at a time: each takes
// seconds to minutes.
inline constexpr Duration kRetryWhenBusy = std::chrono::seconds(5);

// The one call that may run: taken at construction where it is free, given back
// by the destructor. `busy` belongs to the caller and outlives it. Not
// thread-safe. Any number of them, in any threads, may share one `busy`.
class OneAtATime {
 public:
  explicit OneAtATime(std::atomic<bool>& busy)
      : busy_(busy), is_mine_(!busy.exchange(true)) {}
  OneAtATime(const OneAtATime&) = delete;
  OneAtATime& operator=(const OneAtATime&) = delete;
  ~OneAtATime() {
    if (is_mine_) {
      busy_ = false;
    }
  }

  // OK, or RESOURCE_EXHAUSTED (QUEUE_FULL) with retry_after where another
  // `what`, e.g. "probe", runs.
  absl::Status status(absl::string_view what) const {
    if (is_mine_) {
      return absl::OkStatus();
    }
    return Error(absl::StatusCode::kResourceExhausted, Reason::kQueueFull,
                 absl::StrCat("another ", what,
                              " runs, and one at a time does: try again when "
                              "it is done"))
        .Metadata("limit", "1")
        .RetryAfter(kRetryWhenBusy);
  }

 private:
  std::atomic<bool>& busy_;
  const bool is_mine_;
};

}  // namespace resnetd
