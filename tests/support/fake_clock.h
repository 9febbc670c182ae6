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
  // 2026-01-01T00:00:00Z and as much later as Now() is after its start.
  WallTime WallNow() const override {
    return WallTime(std::chrono::seconds(1'767'225'600)) +
           std::chrono::duration_cast<WallTime::duration>(
               Duration(nanoseconds_.load()) - std::chrono::hours(1));
  }
  void Advance(Duration duration) { nanoseconds_ += duration.count(); }

 private:
  // Starts an hour after the epoch, so that earlier points in time exist.
  std::atomic<Duration::rep> nanoseconds_{
      std::chrono::duration_cast<Duration>(std::chrono::hours(1)).count()};
};

}  // namespace resnetd
