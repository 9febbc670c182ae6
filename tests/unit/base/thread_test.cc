#include "server/base/thread.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <array>
#include <latch>
#include <string>
#include <utility>
#include <vector>

namespace resnetd {
namespace {

std::string NameSeenBySystem(const std::string& name) {
  std::array<char, 16> seen{};
  {
    const Thread thread(name, [&seen] {
      pthread_getname_np(pthread_self(), seen.data(), seen.size());
    });
  }
  return seen.data();
}

TEST(ThreadTest, HasItsName) {
  EXPECT_EQ(NameSeenBySystem("decode-3"), "decode-3");
}

TEST(ThreadTest, KeepsFifteenBytesOfALongName) {
  EXPECT_EQ(NameSeenBySystem("fourteen-bytes"), "fourteen-bytes");
  EXPECT_EQ(NameSeenBySystem("fifteen---bytes"), "fifteen---bytes");
  EXPECT_EQ(NameSeenBySystem("sixteen----bytes"), "sixteen----byte");
}

TEST(ThreadTest, IsJoinedAtItsEnd) {
  bool done = false;
  std::latch go(1);
  {
    const Thread thread("t", [&] {
      go.wait();
      done = true;
    });
    go.count_down();
  }
  EXPECT_TRUE(done);
}

TEST(ThreadTest, IsJoinedByJoinOnceOrTwice) {
  bool done = false;
  Thread thread("t", [&done] { done = true; });
  thread.Join();
  EXPECT_TRUE(done);
  thread.Join();
  Thread none;
  none.Join();
}

TEST(ThreadTest, IsJoinedBeforeAnotherTakesItsPlace) {
  std::vector<int> order;
  std::latch go(1);
  Thread thread("first", [&] {
    go.wait();
    order.push_back(1);
  });
  Thread other("second", [&go] { go.count_down(); });
  thread = std::move(other);
  // The first has ended: nobody else touches `order` now.
  order.push_back(2);
  thread.Join();
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
}

TEST(ThreadTest, CanBeMoved) {
  bool done = false;
  Thread first("t", [&done] { done = true; });
  Thread second = std::move(first);
  second.Join();
  EXPECT_TRUE(done);
}

}  // namespace
}  // namespace resnetd
