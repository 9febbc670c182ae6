#include "server/finetune/duty.h"

#include <algorithm>
#include <cmath>

namespace resnetd {
namespace {

// Of the answers may be slower than the bound: that is what a p99 says.
constexpr double kSlowShare = 0.01;
// That so many slow ones come by chance must be less likely than this.
// Simulated at 100 calls a second, deciding ten times a second over 30 s: with
// 1 % slow ones one lowering in an hour, with 2 % one in 13 s, with 5 % a mean
// duty of 0.23.
constexpr double kChance = 1e-3;
constexpr double kLowering = 0.5;
constexpr double kRaiseASecond = 0.1;
// After a step that took longer than a second, too.
constexpr double kMostRaise = 0.1;
// Of the duty, to be told.
constexpr double kNewsFactor = 1.5;

// Whether `slow` of `answers` are more than what a p99 at the bound explains:
// a Poisson distribution, which is at least as wide as the binomial one.
bool IsTooSlow(std::size_t slow, std::size_t answers) {
  const double mean = kSlowShare * static_cast<double>(answers);
  if (static_cast<double>(slow) <= mean) {
    return false;
  }
  double term = std::exp(-mean);
  double below = 0;
  for (std::size_t k = 0; k < slow; ++k) {
    below += term;
    term *= mean / static_cast<double>(k + 1);
  }
  return 1 - below < kChance;
}

}  // namespace

Duration P99(std::vector<Duration> latencies) {
  if (latencies.empty()) {
    return Duration::zero();
  }
  // Nearest rank: of 100 the 99th, of 50 the last.
  const std::size_t rank = (latencies.size() * 99 + 99) / 100 - 1;
  const auto nth = latencies.begin() + static_cast<std::ptrdiff_t>(rank);
  std::nth_element(latencies.begin(), nth, latencies.end());
  return *nth;
}

std::optional<Duration> LatencyBound(const ServingGuard& guard,
                                     const std::vector<Duration>& alone) {
  if (guard.max_p99) {
    return guard.max_p99;
  }
  if (alone.size() < kLeastBaseline) {
    return std::nullopt;
  }
  return std::chrono::duration_cast<Duration>(
      std::chrono::duration<double, Duration::period>(P99(alone)) *
      kMaxSlowdown);
}

DutyDecision DecideDuty(const ServingGuard& guard, double duty,
                        const ServingFigures& figures) {
  if (!figures.is_busy) {
    return {.duty = 1};
  }
  const bool is_crowded =
      guard.max_queue > 0 && figures.waiting > guard.max_queue;
  bool is_slow = false;
  if (const auto bound = LatencyBound(guard, figures.alone)) {
    const auto slow =
        std::count_if(figures.all.begin(), figures.all.end(),
                      [&bound](Duration latency) { return latency > *bound; });
    is_slow = IsTooSlow(static_cast<std::size_t>(slow), figures.all.size());
  }
  if (is_crowded || is_slow) {
    return {.duty = std::max(kLeastDuty, duty * kLowering),
            .was_lowered = true};
  }
  const double raise =
      std::min(kMostRaise, kRaiseASecond * ToSeconds(figures.elapsed));
  return {.duty = std::min(1.0, duty + raise)};
}

bool IsNews(double duty, double told) {
  return duty <= told / kNewsFactor || duty >= told * kNewsFactor ||
         (duty >= 1 && told < 1);
}

}  // namespace resnetd
