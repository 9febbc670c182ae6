#pragma once

#include <chrono>

namespace resnetd {

// Points in time that deadlines and measurements use inside the server. The
// steady clock never jumps; a gRPC deadline (wall clock) is converted to it
// once, in rpc.
using SteadyTime = std::chrono::steady_clock::time_point;
using Duration = std::chrono::nanoseconds;

// Points in time that people and files see: they may jump, so nothing is
// measured or decided by their difference.
using WallTime = std::chrono::system_clock::time_point;

// "Never": later than every deadline.
inline constexpr SteadyTime kNoDeadline = SteadyTime::max();

// Where the time comes from, so that tests can decide it. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual SteadyTime Now() const = 0;
  virtual WallTime WallNow() const = 0;
};

// The machine's clocks. Lives as long as the process.
const Clock& RealClock();

// A duration in seconds, as metrics take it.
constexpr double ToSeconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace resnetd
