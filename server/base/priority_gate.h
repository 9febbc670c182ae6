#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "server/base/clock.h"

namespace resnetd {

// Who may use the device now: urgent work always, background work in what that
// leaves over. Serving says what waits and how long its answers took; training
// says when it is at work, and reads how serving fares with it and without.
//
// Nobody ever waits here. Thread-safe; the urgent side takes no lock: it costs
// some 10 ns a call (./dev bench telemetry).
class PriorityGate {
 public:
  // Answers remembered of each kind: enough for a p99 with 40 answers above it.
  static constexpr std::size_t kAnswersKept = 4096;

  // One piece of urgent work on its way.
  struct Ticket {
    std::uint64_t turn = 0;
  };

  // Urgent work arrived. Exactly one Leave*() ends it.
  Ticket EnterUrgent() {
    waiting_.fetch_add(1, std::memory_order_relaxed);
    return {turn_.load(std::memory_order_relaxed)};
  }
  // It was answered at `now`, `latency` after it had arrived.
  void LeaveUrgent(const Ticket& ticket, SteadyTime now, Duration latency) {
    Abandon();
    const std::uint64_t turn = turn_.load(std::memory_order_relaxed);
    const bool was_alone = turn == ticket.turn && turn % 2 == 0;
    (was_alone ? alone_ : beside_).Add(now, latency);
  }
  // It ended in another way, e.g. was refused: its time says nothing.
  void Abandon() { waiting_.fetch_sub(1, std::memory_order_relaxed); }

  // Background work begins and ends. From one thread at a time; calls
  // alternate.
  void EnterBackground() { turn_.fetch_add(1, std::memory_order_relaxed); }
  void LeaveBackground() { turn_.fetch_add(1, std::memory_order_relaxed); }

  // Urgent work that has arrived and is not answered.
  std::int64_t waiting() const {
    return waiting_.load(std::memory_order_relaxed);
  }

  // How long the newest answers since `since` took, in no order; at most
  // kAnswersKept of each kind. Alone: no background work ran from arrival to
  // answer. Beside: it ran in some of that time. Latencies are exact to the
  // microsecond and at most 67 s.
  std::vector<Duration> AloneSince(SteadyTime since) const {
    return alone_.Since(since);
  }
  std::vector<Duration> BesideSince(SteadyTime since) const {
    return beside_.Since(since);
  }

 private:
  // The newest latencies. A reader may miss one that is written meanwhile, and
  // sees every other one whole: each is one word.
  class Recent {
   public:
    void Add(SteadyTime now, Duration latency);
    std::vector<Duration> Since(SteadyTime since) const;

   private:
    std::atomic<std::uint64_t> next_{0};
    // When it was answered and how long it took; 0: none yet.
    std::array<std::atomic<std::uint64_t>, kAnswersKept> answers_{};
  };

  // Counts and facts that stand alone, each read for itself: atomics need no
  // order among each other.
  std::atomic<std::int64_t> waiting_{0};
  // Odd while background work runs.
  std::atomic<std::uint64_t> turn_{0};
  Recent alone_;
  Recent beside_;
};

}  // namespace resnetd
