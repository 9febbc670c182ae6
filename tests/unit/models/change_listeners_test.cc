#include "server/models/change_listeners.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <memory>
#include <vector>

#include "server/base/thread.h"

namespace resnetd {
namespace {

TEST(ChangeListenersTest, CallsWhoListensUntilTheHandleIsGone) {
  ChangeListeners listeners;
  int first = 0;
  int second = 0;
  auto handle = listeners.Add([&first] { ++first; });
  const auto other = listeners.Add([&second] { ++second; });
  listeners.Notify();
  handle.reset();
  listeners.Notify();
  EXPECT_EQ(first, 1);
  EXPECT_EQ(second, 2);
}

TEST(ChangeListenersTest, AHandleMayOutliveTheListeners) {
  std::unique_ptr<ChangeListeners::Handle> handle;
  {
    ChangeListeners listeners;
    handle = listeners.Add([] {});
  }
  handle.reset();
}

TEST(ChangeListenersTest, TheEndOfAHandleWaitsForACallThatRuns) {
  ChangeListeners listeners;
  std::latch called(1);
  std::latch go_on(1);
  std::atomic<bool> ended = false;
  auto handle = listeners.Add([&] {
    called.count_down();
    go_on.wait();
    ended.store(true);
  });
  Thread notifier("notify", [&] { listeners.Notify(); });
  called.wait();
  Thread closer("close", [&] {
    handle.reset();
    EXPECT_TRUE(ended.load());
  });
  go_on.count_down();
}

TEST(ChangeListenersTest, ListenersComeAndGoWhileOthersAreCalled) {
  constexpr int kRounds = 300;
  ChangeListeners listeners;
  std::atomic<bool> done = false;
  {
    const Thread notifier("notify", [&] {
      while (!done.load()) {
        listeners.Notify();
      }
    });
    for (int i = 0; i < kRounds; ++i) {
      auto alive = std::make_unique<int>(0);
      // A call after the handle's end would touch freed memory.
      const auto handle = listeners.Add([&alive] { ++*alive; });
      listeners.Notify();
    }
    done.store(true);
  }
}

}  // namespace
}  // namespace resnetd
