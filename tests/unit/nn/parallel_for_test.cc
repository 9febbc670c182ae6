#include "server/nn/parallel_for.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <set>
#include <thread>
#include <vector>

namespace resnetd {
namespace {

// LibTorch computes with so many threads while it lives.
class Threads {
 public:
  explicit Threads(int threads) : before_(at::get_num_threads()) {
    at::set_num_threads(threads);
  }
  ~Threads() { at::set_num_threads(before_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  const int before_;
};

TEST(ParallelForTest, CallsOnceWithEachNumber) {
  for (const int threads : {1, 2, 3}) {
    const Threads with(threads);
    for (const std::int64_t count : {0, 1, 2, 3, 100}) {
      std::vector<std::atomic<int>> calls(static_cast<std::size_t>(count));
      ParallelFor(count, [&](std::int64_t i) {
        ++calls.at(static_cast<std::size_t>(i));
      });
      for (const std::atomic<int>& of_one : calls) {
        EXPECT_EQ(of_one, 1);
      }
    }
  }
}

TEST(ParallelForTest, UsesTheThreadsOfLibTorch) {
  const Threads with(3);
  std::vector<std::thread::id> seen(3);
  ParallelFor(3, [&](std::int64_t i) {
    seen.at(static_cast<std::size_t>(i)) = std::this_thread::get_id();
  });
  EXPECT_EQ(std::set<std::thread::id>(seen.begin(), seen.end()).size(), 3U);
}

TEST(ParallelForTest, AddsUpTheSameWhateverTheThreads) {
  const auto sum = [](std::int64_t count) {
    return SumOverChunks<double>(
        count, [](std::int64_t first, std::size_t values) {
          double of_chunk = 0;
          for (std::size_t i = 0; i < values; ++i) {
            of_chunk +=
                1 / (1 + static_cast<double>(first) + static_cast<double>(i));
          }
          return of_chunk;
        });
  };
  for (const std::int64_t count :
       {std::int64_t{0}, kChunk - 1, kChunk, kChunk + 1, 5 * kChunk + 3}) {
    const Threads one(1);
    const double alone = sum(count);
    const Threads three(3);
    EXPECT_EQ(sum(count), alone) << count;
  }
}

TEST(ParallelForTest, LooksAtEveryValueOnce) {
  for (const std::int64_t count :
       {std::int64_t{0}, std::int64_t{1}, kChunk, kChunk + 1, 3 * kChunk}) {
    EXPECT_EQ(SumOverChunks<std::int64_t>(
                  count,
                  [](std::int64_t /*first*/, std::size_t values) {
                    return static_cast<std::int64_t>(values);
                  }),
              count);
  }
}

}  // namespace
}  // namespace resnetd
