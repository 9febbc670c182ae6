#include "server/base/priority_gate.h"

#include <algorithm>
#include <chrono>

namespace resnetd {
namespace {

// A word: milliseconds of the steady clock (8 years after its start they begin
// anew), then microseconds of latency (up to 67 s).
constexpr unsigned kLatencyBits = 26;
constexpr std::uint64_t kMaxLatency = (std::uint64_t{1} << kLatencyBits) - 1;

std::uint64_t MillisecondsOf(SteadyTime time) {
  const auto value = std::chrono::duration_cast<std::chrono::milliseconds>(
                         time.time_since_epoch())
                         .count();
  return static_cast<std::uint64_t>(std::max<std::int64_t>(value, 0));
}

}  // namespace

void PriorityGate::Recent::Add(SteadyTime now, Duration latency) {
  const auto microseconds =
      std::chrono::duration_cast<std::chrono::microseconds>(latency).count();
  // At least 1: an empty place is 0.
  const std::uint64_t value = std::clamp<std::uint64_t>(
      microseconds < 1 ? 1 : static_cast<std::uint64_t>(microseconds), 1,
      kMaxLatency);
  const std::uint64_t place =
      next_.fetch_add(1, std::memory_order_relaxed) % kAnswersKept;
  answers_[place].store(MillisecondsOf(now) << kLatencyBits | value,
                        std::memory_order_relaxed);
}

std::vector<Duration> PriorityGate::Recent::Since(SteadyTime since) const {
  const std::uint64_t least = MillisecondsOf(since);
  std::vector<Duration> latencies;
  for (const std::atomic<std::uint64_t>& answer : answers_) {
    const std::uint64_t word = answer.load(std::memory_order_relaxed);
    if (word != 0 && word >> kLatencyBits >= least) {
      latencies.emplace_back(std::chrono::microseconds(word & kMaxLatency));
    }
  }
  return latencies;
}

}  // namespace resnetd
