#include "client/load/arrivals.h"

#include <chrono>
#include <cmath>
#include <utility>

namespace resnetd::client {

Arrivals::Arrivals(std::vector<LoadPhase> phases, Spacing spacing,
                   std::uint64_t seed)
    : phases_(std::move(phases)), spacing_(spacing), random_(seed) {}

Duration Arrivals::NextGap() {
  double gaps = 1;
  if (spacing_ == Spacing::kPoisson) {
    // 53 bits in (0, 1]: the same on every machine, which
    // std::exponential_distribution is not.
    const double uniform =
        (static_cast<double>(random_() >> 11U) + 1) * 0x1p-53;
    gaps = -std::log(uniform);
  }
  return std::chrono::duration_cast<Duration>(
      std::chrono::duration<double>(gaps / phases_[phase_].rate));
}

std::optional<Arrival> Arrivals::Next() {
  while (phase_ < phases_.size()) {
    due_ += NextGap();
    const Duration end = begin_ + phases_[phase_].length;
    if (due_ < end) {
      return Arrival{.due = due_, .phase = phase_};
    }
    // The gap is drawn anew at the next rate: a Poisson process forgets.
    begin_ = end;
    due_ = end;
    ++phase_;
  }
  return std::nullopt;
}

}  // namespace resnetd::client
