#include "server/app/periodic_task.h"

#include <gtest/gtest.h>

#include <chrono>

#include "server/base/mutex.h"

namespace resnetd {
namespace {

// Counts runs and lets a test wait for them.
class Counter {
 public:
  void Add() {
    const MutexLock lock(mutex_);
    ++count_;
    changed_.NotifyAll();
  }
  void WaitFor(int count) {
    const MutexLock lock(mutex_);
    while (count_ < count) {
      changed_.Wait(mutex_);
    }
  }
  int count() {
    const MutexLock lock(mutex_);
    return count_;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  int count_ ABSL_GUARDED_BY(mutex_) = 0;
};

TEST(PeriodicTaskTest, RunsAtOnceAndAgain) {
  Counter counter;
  const PeriodicTask task("test", std::chrono::microseconds(10),
                          [&counter] { counter.Add(); });
  counter.WaitFor(3);
}

TEST(PeriodicTaskTest, EndsAtOnceHoweverLongTheIntervalIs) {
  Counter counter;
  {
    const PeriodicTask task("test", std::chrono::hours(1000),
                            [&counter] { counter.Add(); });
    counter.WaitFor(1);
  }
  EXPECT_EQ(counter.count(), 1);
}

TEST(PeriodicTaskTest, RunsSoonWhenItIsAskedTo) {
  Counter counter;
  PeriodicTask task("test", std::chrono::hours(1000),
                    [&counter] { counter.Add(); });
  counter.WaitFor(1);
  for (int run = 2; run < 5; ++run) {
    task.RunSoon();
    counter.WaitFor(run);
  }
}

// What it was asked for while it ran may not be seen by that run.
TEST(PeriodicTaskTest, RunsOnceMoreWhenItIsAskedToInTheMiddle) {
  Counter counter;
  PeriodicTask* self = nullptr;
  Counter known;
  PeriodicTask task("test", std::chrono::hours(1000), [&] {
    known.WaitFor(1);
    if (counter.count() == 0) {
      self->RunSoon();
    }
    counter.Add();
  });
  self = &task;
  known.Add();
  counter.WaitFor(2);
}

TEST(PeriodicTaskTest, ItsEndWaitsForARunInProgress) {
  Counter begun;
  Counter ended;
  {
    const PeriodicTask task("test", std::chrono::hours(1), [&] {
      begun.Add();
      ended.Add();
    });
    begun.WaitFor(1);
  }
  EXPECT_EQ(ended.count(), 1);
}

}  // namespace
}  // namespace resnetd
