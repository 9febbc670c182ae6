#include "server/base/call_once.h"

#include <atomic>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace resnetd {
namespace {

TEST(CallOnceTest, CallsTheFirstTimeAloneThroughAllCopies) {
  int calls = 0;
  const auto once = CallOnce([&calls] { ++calls; });
  const auto copy = once;
  EXPECT_EQ(calls, 0);
  copy();
  once();
  copy();
  EXPECT_EQ(calls, 1);
}

TEST(CallOnceTest, AnEmptyOneStaysEmpty) { EXPECT_FALSE(CallOnce(nullptr)); }

TEST(CallOnceTest, OneOfManyThreadsCalls) {
  std::atomic<int> calls{0};
  const auto once = CallOnce([&calls] { ++calls; });
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back(once);
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace resnetd
