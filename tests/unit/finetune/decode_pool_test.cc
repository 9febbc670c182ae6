#include "server/finetune/decode_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <latch>
#include <thread>
#include <vector>

namespace resnetd {
namespace {

TEST(DecodePoolTest, DoesEveryTaskOnce) {
  DecodePool pool(3);
  for (const std::size_t count : {0U, 1U, 2U, 3U, 100U}) {
    std::vector<std::atomic<int>> done(count);
    pool.ForEach(count, [&](std::size_t i) { ++done[i]; });
    for (const std::atomic<int>& times : done) {
      EXPECT_EQ(times, 1) << count;
    }
  }
}

TEST(DecodePoolTest, DoesSeveralAtATime) {
  DecodePool pool(3);
  // Each task ends only when three have begun.
  std::latch begun(3);
  pool.ForEach(3, [&](std::size_t) { begun.arrive_and_wait(); });
}

TEST(DecodePoolTest, ServesSeveralCallersAtATime) {
  DecodePool pool(2);
  std::atomic<int> done = 0;
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back(
        [&] { pool.ForEach(50, [&](std::size_t) { ++done; }); });
  }
  for (std::thread& caller : callers) {
    caller.join();
  }
  EXPECT_EQ(done, 200);
}

TEST(DecodePoolTest, ACallerNeedsNoFreeThread) {
  DecodePool pool(2);
  std::latch held(1);
  std::latch begun(2);
  // Both threads of the pool's first caller are busy.
  std::thread busy([&] {
    pool.ForEach(2, [&](std::size_t) {
      begun.count_down();
      held.wait();
    });
  });
  begun.wait();
  int done = 0;
  pool.ForEach(1, [&](std::size_t) { ++done; });
  EXPECT_EQ(done, 1);
  held.count_down();
  busy.join();
}

}  // namespace
}  // namespace resnetd
