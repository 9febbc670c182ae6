#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <vector>

#include "server/base/clock.h"

namespace resnetd::client {

// Calls at a rate for a time.
struct LoadPhase {
  // Calls a second; > 0.
  double rate = 0;
  Duration length{};
};

enum class Spacing {
  // Independent of each other, as those of many users: a Poisson process.
  kPoisson,
  // One like the other.
  kConstant,
};

// When a call is due.
struct Arrival {
  // Since the start of the first phase.
  Duration due{};
  std::size_t phase = 0;
};

// The calls of an open loop: due whether or not earlier ones were answered.
// The same seed gives the same times. Not thread-safe.
class Arrivals {
 public:
  Arrivals(std::vector<LoadPhase> phases, Spacing spacing, std::uint64_t seed);

  // The next one; nothing: all phases are over.
  std::optional<Arrival> Next();

 private:
  Duration NextGap();

  const std::vector<LoadPhase> phases_;
  const Spacing spacing_;
  std::mt19937_64 random_;
  std::size_t phase_ = 0;
  // Of the phase.
  Duration begin_{};
  Duration due_{};
};

}  // namespace resnetd::client
