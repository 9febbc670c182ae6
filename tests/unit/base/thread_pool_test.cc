#include "server/base/thread_pool.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <array>
#include <atomic>
#include <latch>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace resnetd {
namespace {

// Keeps the one worker of a pool busy until it is told to go on.
class Blocker {
 public:
  void Submit(ThreadPool& pool) {
    ASSERT_TRUE(pool.TrySubmit([this] {
      started_.count_down();
      go_.wait();
    }));
    started_.wait();
  }
  void Release() { go_.count_down(); }

 private:
  std::latch started_{1};
  std::latch go_{1};
};

TEST(ThreadPoolTest, RunsTasksInTheirOrder) {
  std::vector<int> order;
  {
    ThreadPool pool({.name = "p", .threads = 1});
    for (int i = 0; i < 100; ++i) {
      ASSERT_TRUE(pool.TrySubmit([&order, i] { order.push_back(i); }));
    }
  }
  ASSERT_EQ(order.size(), 100U);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
  }
}

TEST(ThreadPoolTest, RunsAsManyTasksAtOnceAsItHasThreads) {
  constexpr int kThreads = 4;
  std::latch together(kThreads);
  std::latch done(kThreads);
  ThreadPool pool({.name = "p", .threads = kThreads});
  EXPECT_EQ(pool.threads(), 4U);
  // Each waits for all the others: fewer threads would never end.
  for (int i = 0; i < kThreads; ++i) {
    ASSERT_TRUE(pool.TrySubmit([&] {
      together.arrive_and_wait();
      done.count_down();
    }));
  }
  done.wait();
}

TEST(ThreadPoolTest, NamesItsThreads) {
  constexpr int kThreads = 3;
  std::array<std::string, kThreads> names;
  {
    std::latch together(kThreads);
    ThreadPool pool({.name = "decode", .threads = kThreads});
    for (std::string& name : names) {
      ASSERT_TRUE(pool.TrySubmit([&name, &together] {
        std::array<char, 16> seen{};
        pthread_getname_np(pthread_self(), seen.data(), seen.size());
        name = seen.data();
        together.arrive_and_wait();
      }));
    }
  }
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()),
            (std::set<std::string>{"decode-0", "decode-1", "decode-2"}));
}

TEST(ThreadPoolTest, RefusesTasksWhenItsQueueIsFull) {
  int ran = 0;
  {
    Blocker blocker;
    ThreadPool pool({.name = "p", .threads = 1, .queue_limit = 3});
    blocker.Submit(pool);
    for (std::size_t waiting = 0; waiting < 3; ++waiting) {
      EXPECT_EQ(pool.queued(), waiting);
      EXPECT_TRUE(pool.TrySubmit([&ran] { ++ran; }));
    }
    EXPECT_FALSE(pool.TrySubmit([&ran] { ++ran; }));
    EXPECT_EQ(pool.queued(), 3U);
    blocker.Release();
  }
  EXPECT_EQ(ran, 3);
}

TEST(ThreadPoolTest, TakesTasksAgainOnceSomeRan) {
  Blocker first;
  Blocker second;
  ThreadPool pool({.name = "p", .threads = 1, .queue_limit = 1});
  first.Submit(pool);
  EXPECT_TRUE(pool.TrySubmit([] {}));
  EXPECT_FALSE(pool.TrySubmit([] {}));
  first.Release();
  // The queue has room as soon as the worker has taken what waited.
  while (pool.queued() > 0) {
  }
  second.Submit(pool);
  EXPECT_TRUE(pool.TrySubmit([] {}));
  second.Release();
}

TEST(ThreadPoolTest, RunsWhatIsQueuedBeforeItEnds) {
  std::atomic<int> ran = 0;
  {
    Blocker blocker;
    ThreadPool pool({.name = "p", .threads = 1});
    blocker.Submit(pool);
    for (int i = 0; i < 50; ++i) {
      ASSERT_TRUE(pool.TrySubmit([&ran] { ++ran; }));
    }
    blocker.Release();
  }
  EXPECT_EQ(ran.load(), 50);
}

TEST(ThreadPoolTest, LetsATaskSubmitAnother) {
  std::latch done(1);
  ThreadPool pool({.name = "p", .threads = 1});
  ASSERT_TRUE(pool.TrySubmit(
      [&] { EXPECT_TRUE(pool.TrySubmit([&done] { done.count_down(); })); }));
  done.wait();
}

// What a task holds may ask the pool at its end: it is not destroyed under the
// pool's lock, neither when it ran nor when it was refused.
TEST(ThreadPoolTest, DestroysTasksOutsideItsLock) {
  struct AsksAtItsEnd {
    ThreadPool& pool;
    explicit AsksAtItsEnd(ThreadPool& asked) : pool(asked) {}
    ~AsksAtItsEnd() { EXPECT_LE(pool.queued(), 1U); }
    AsksAtItsEnd(const AsksAtItsEnd&) = delete;
    AsksAtItsEnd& operator=(const AsksAtItsEnd&) = delete;
  };
  Blocker blocker;
  ThreadPool pool({.name = "p", .threads = 1, .queue_limit = 1});
  blocker.Submit(pool);
  const auto task = [&pool] {
    return [held = std::make_shared<AsksAtItsEnd>(pool)] { (void)held; };
  };
  EXPECT_TRUE(pool.TrySubmit(task()));
  EXPECT_FALSE(pool.TrySubmit(task()));
  blocker.Release();
}

TEST(ThreadPoolTest, RunsEachTaskOnceUnderLoad) {
  constexpr int kSubmitters = 4;
  constexpr int kTasks = 2000;
  std::array<std::atomic<int>, kSubmitters * kTasks> ran{};
  std::atomic<int> taken = 0;
  {
    ThreadPool pool({.name = "p", .threads = 2, .queue_limit = 64});
    std::vector<Thread> submitters;
    for (int s = 0; s < kSubmitters; ++s) {
      submitters.emplace_back("submit", [&, s] {
        for (int i = 0; i < kTasks; ++i) {
          const auto index = static_cast<std::size_t>(s * kTasks + i);
          taken += pool.TrySubmit([&ran, index] { ++ran[index]; }) ? 1 : 0;
        }
      });
    }
    submitters.clear();
  }
  int once = 0;
  for (const std::atomic<int>& count : ran) {
    EXPECT_LE(count.load(), 1);
    once += count.load();
  }
  EXPECT_EQ(once, taken.load());
  EXPECT_GT(once, 0);
}

}  // namespace
}  // namespace resnetd
