#pragma once

#include <atomic>
#include <chrono>

#include "server/base/clock.h"

namespace resnetd {

// A clock that stands still until it is told otherwise. Thread-safe.
class FakeClock final : public Clock {
 public:
  SteadyTime Now() const override {
    return SteadyTime(Duration(nanoseconds_.load()));
  }
  void Advance(Duration duration) { nanoseconds_ += duration.count(); }

 private:
  // Starts an hour after the epoch, so that earlier points in time exist.
  std::atomic<Duration::rep> nanoseconds_{
      std::chrono::duration_cast<Duration>(std::chrono::hours(1)).count()};
};

}  // namespace resnetd
