#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "server/base/clock.h"
#include "server/finetune/job.h"

namespace resnetd {

// How much slower than without training the slowest hundredth of the answers
// may be, when the job names no bound.
inline constexpr double kMaxSlowdown = 1.25;
// The least share of the time: a job always gets on.
inline constexpr double kLeastDuty = 0.05;
// Between two decisions.
inline constexpr Duration kDutyInterval = std::chrono::milliseconds(100);
// Answers that a p99 of serving alone needs: with fewer the largest of them is
// less than the 98th of a hundred.
inline constexpr std::size_t kLeastBaseline = 50;

// How serving fares, as a decision sees it.
struct ServingFigures {
  // Since the decision before.
  Duration elapsed{};
  // Calls that have arrived and are not answered.
  std::int64_t waiting = 0;
  // False: there was no call for a while, and there is none.
  bool is_busy = false;
  // How long answers took that no training ran beside.
  std::vector<Duration> alone = {};
  // And all answers since the duty was last lowered.
  std::vector<Duration> all = {};
};

struct DutyDecision {
  // Share of the time that training may use.
  double duty = 1;
  // What was seen led to a lower duty: it counts once, see ServingFigures::all.
  bool was_lowered = false;
};

// The p99 that serving may have beside training; nullopt: there is nothing to
// compare with yet.
std::optional<Duration> LatencyBound(const ServingGuard& guard,
                                     const std::vector<Duration>& alone);

// The value that 99 of 100 do not exceed; zero of none.
Duration P99(std::vector<Duration> latencies);

// The share of the time that training may use, from the one so far: half of it
// when more than a hundredth of the answers is slower than the bound, beyond
// what chance explains, or when too many calls wait; else a tenth more for each
// second, at most for one. All of it while serving is idle.
DutyDecision DecideDuty(const ServingGuard& guard, double duty,
                        const ServingFigures& figures);

// Whether `duty` is worth an event when `told` was told last: another one by
// half, or all of the time again.
bool IsNews(double duty, double told);

}  // namespace resnetd
