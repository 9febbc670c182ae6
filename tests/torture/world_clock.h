#pragma once

#include <chrono>

#include "server/base/clock.h"

namespace resnetd {

// The clocks of a simulated server. The steady one goes forward as it is told,
// and never back; the wall clock goes with it and wherever else somebody sets
// it. Not thread-safe.
class WorldClock final : public Clock {
 public:
  // `reads_wall`: what the server takes for the steady clock is the wall clock.
  explicit WorldClock(bool reads_wall) : reads_wall_(reads_wall) {}

  SteadyTime Now() const override {
    return reads_wall_ ? steady_ + wall_offset_ : steady_;
  }
  WallTime WallNow() const override {
    return WallTime(std::chrono::seconds(1'767'225'600)) +
           std::chrono::duration_cast<WallTime::duration>(
               steady_.time_since_epoch() + wall_offset_);
  }
  // What it is, whatever the server reads.
  SteadyTime Steady() const { return steady_; }
  void Advance(Duration duration) { steady_ += duration; }
  void SetWallBack(Duration by) { wall_offset_ -= by; }

 private:
  const bool reads_wall_;
  // An hour after the epoch, so that earlier points in time exist.
  SteadyTime steady_{std::chrono::hours(1)};
  Duration wall_offset_{};
};

}  // namespace resnetd
