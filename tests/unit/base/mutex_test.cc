#include "server/base/mutex.h"

#include <gtest/gtest.h>

#include <chrono>
#include <latch>
#include <vector>

#include "server/base/thread.h"

namespace resnetd {
namespace {

// A counter as modules write them.
class Counter {
 public:
  void Add(int by) ABSL_LOCKS_EXCLUDED(mutex_) {
    {
      const MutexLock lock(mutex_);
      value_ += by;
    }
    changed_.NotifyAll();
  }
  void AwaitAtLeast(int value) ABSL_LOCKS_EXCLUDED(mutex_) {
    const MutexLock lock(mutex_);
    while (value_ < value) {
      changed_.Wait(mutex_);
    }
  }
  // Whether the value was reached before `deadline`.
  bool AwaitAtLeastUntil(int value, SteadyTime deadline)
      ABSL_LOCKS_EXCLUDED(mutex_) {
    const MutexLock lock(mutex_);
    while (value_ < value && RealClock().Now() < deadline) {
      changed_.WaitUntil(mutex_, deadline);
    }
    return value_ >= value;
  }
  int value() ABSL_LOCKS_EXCLUDED(mutex_) {
    const MutexLock lock(mutex_);
    return value_;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  int value_ ABSL_GUARDED_BY(mutex_) = 0;
};

TEST(MutexTest, LetsOneThreadInAtATime) {
  constexpr int kThreads = 4;
  constexpr int kTurns = 10'000;
  Counter counter;
  {
    std::vector<Thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back("add", [&counter] {
        for (int turn = 0; turn < kTurns; ++turn) {
          counter.Add(1);
        }
      });
    }
  }
  EXPECT_EQ(counter.value(), kThreads * kTurns);
}

TEST(CondVarTest, WakesEveryWaiter) {
  Counter counter;
  std::latch waiting(3);
  std::latch woken(3);
  std::vector<Thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back("wait", [&] {
      waiting.count_down();
      counter.AwaitAtLeast(1);
      woken.count_down();
    });
  }
  waiting.wait();
  counter.Add(1);
  woken.wait();
  EXPECT_EQ(counter.value(), 1);
}

TEST(CondVarTest, GivesUpAtTheDeadline) {
  Counter counter;
  EXPECT_FALSE(counter.AwaitAtLeastUntil(1, RealClock().Now()));
  const SteadyTime deadline = RealClock().Now() + std::chrono::milliseconds(20);
  EXPECT_FALSE(counter.AwaitAtLeastUntil(1, deadline));
  EXPECT_GE(RealClock().Now(), deadline);
}

TEST(CondVarTest, IsWokenBeforeADeadlineThatNeverComes) {
  Counter counter;
  std::latch waiting(1);
  const Thread adds("add", [&] {
    waiting.wait();
    counter.Add(1);
  });
  waiting.count_down();
  EXPECT_TRUE(counter.AwaitAtLeastUntil(1, kNoDeadline));
}

}  // namespace
}  // namespace resnetd
