#pragma once

#include <chrono>

#include "server/base/clock.h"

namespace resnetd {

// Tells how long things take. Not thread-safe.
class Stopwatch {
 public:
  // Since the last call, or since this was made.
  Duration Lap() {
    const SteadyTime now = std::chrono::steady_clock::now();
    const Duration lap = now - last_;
    last_ = now;
    return lap;
  }

 private:
  SteadyTime last_ = std::chrono::steady_clock::now();
};

}  // namespace resnetd
