#include "server/engine/background_jobs.h"

#include <atomic>
#include <latch>
#include <vector>

#include "gtest/gtest.h"
#include "server/base/mutex.h"
#include "server/base/thread.h"

namespace resnetd {
namespace {

TEST(BackgroundJobsTest, RunsJobsOneAfterTheOtherInTheirOrder) {
  std::vector<int> order;  // of the one thread
  std::latch done(3);
  BackgroundJobs jobs;
  for (int i = 0; i < 3; ++i) {
    jobs.Add(&order, [&order, &done, i](const BackgroundJobs::Stopped&) {
      order.push_back(i);
      done.count_down();
    });
  }
  done.wait();
  jobs.Remove(&order);
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2}));
}

TEST(BackgroundJobsTest, RemovingForgetsWhatWaitsAndAwaitsWhatRuns) {
  const int owner = 0;
  const int other = 0;
  std::latch started(1);
  std::latch other_ran(1);
  std::atomic<int> ran{0};
  BackgroundJobs jobs;
  jobs.Add(&owner, [&](const BackgroundJobs::Stopped& stopped) {
    started.count_down();
    while (!stopped()) {
    }
    ++ran;
  });
  jobs.Add(&owner, [&](const BackgroundJobs::Stopped&) { ran += 100; });
  jobs.Add(&other,
           [&](const BackgroundJobs::Stopped&) { other_ran.count_down(); });
  started.wait();
  jobs.Remove(&owner);
  EXPECT_EQ(ran.load(), 1) << "the one that ran has ended, the other never ran";
  other_ran.wait();
  EXPECT_EQ(ran.load(), 1);
}

TEST(BackgroundJobsTest, AJobAfterOneThatWasStoppedIsNotStopped) {
  const int owner = 0;
  std::latch started(1);
  std::latch done(1);
  std::atomic<bool> was_stopped{true};
  BackgroundJobs jobs;
  jobs.Add(&owner, [&](const BackgroundJobs::Stopped& stopped) {
    started.count_down();
    while (!stopped()) {
    }
  });
  started.wait();
  jobs.Remove(&owner);
  jobs.Add(&owner, [&](const BackgroundJobs::Stopped& stopped) {
    was_stopped = stopped();
    done.count_down();
  });
  done.wait();
  EXPECT_FALSE(was_stopped.load());
}

TEST(BackgroundJobsTest, DestructionStopsTheJobThatRuns) {
  const int owner = 0;
  std::latch started(1);
  std::atomic<bool> second{false};
  {
    BackgroundJobs jobs;
    jobs.Add(&owner, [&](const BackgroundJobs::Stopped& stopped) {
      started.count_down();
      while (!stopped()) {
      }
    });
    jobs.Add(&owner, [&](const BackgroundJobs::Stopped&) { second = true; });
    started.wait();
  }
  EXPECT_FALSE(second.load());
}

TEST(BackgroundJobsTest, RemovingANobodyReturnsAtOnce) {
  const int owner = 0;
  BackgroundJobs jobs;
  jobs.Remove(&owner);
}

}  // namespace
}  // namespace resnetd
