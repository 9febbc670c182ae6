#include "server/serving/decode_memory.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <future>
#include <optional>
#include <thread>
#include <vector>

#include "tests/unit/serving/png_header.h"

namespace resnetd {
namespace {

using std::chrono::microseconds;

TEST(DecodeCostTest, GrowsWithThePixelsUpToTheLimit) {
  constexpr std::int64_t kMost = 2'000'000;
  const DecodeCost small = DecodeCostOf(PngHeader(100, 100), kMost);
  EXPECT_EQ(small.bytes, 60'000U);
  EXPECT_EQ(small.time, microseconds(20 + 50));
  for (const std::uint32_t width : {1999U, 2000U}) {
    const DecodeCost cost = DecodeCostOf(PngHeader(width, 1000), kMost);
    EXPECT_EQ(cost.bytes, 6'000U * width);
    EXPECT_EQ(cost.time, microseconds(20 + 5 * width));
  }
  // It will be refused, and counts as the largest that is not.
  const DecodeCost large = DecodeCostOf(PngHeader(2001, 1000), kMost);
  EXPECT_EQ(large.bytes, 12'000'000U);
  EXPECT_EQ(large.time, microseconds(20 + 10'000));
}

TEST(DecodeCostTest, OfWhatDoesNotSayHowLargeItIsIsMemoryForTheLargest) {
  const DecodeCost cost = DecodeCostOf({}, 1000);
  EXPECT_EQ(cost.bytes, 6000U);
  EXPECT_EQ(cost.time, microseconds(20));
}

TEST(PrepareCostTest, GrowsWithWhatIsToBeDone) {
  constexpr std::int64_t kMost = 1'000'000;
  const std::vector<std::uint8_t> png = PngHeader(100, 100);
  const Pixels large{.width = 2000, .height = 500, .rgb = {}};
  const Pixels larger{.width = 2000, .height = 501, .rgb = {}};
  struct Case {
    ImageSource source;
    std::size_t bytes;
    microseconds time;
  };
  const std::vector<Case> cases = {
      {EncodedImage{.bytes = png}, 60'000, microseconds(20 + 50)},
      {PixelImage{.pixels = large}, 0, microseconds(20 + 3000)},
      // Never more than the largest.
      {PixelImage{.pixels = larger}, 0, microseconds(20 + 3000)},
      {PixelImage{.pixels = large, .at_network_size = true}, 0,
       microseconds(0)},
      {TensorImage{.bytes = {}, .height = 100, .width = 100}, 0,
       microseconds(20 + 30)},
      // It will be refused.
      {TensorImage{.bytes = {}, .height = -1, .width = 100}, 0,
       microseconds(20)},
  };
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const DecodeCost cost = PrepareCostOf(cases[i].source, kMost);
    EXPECT_EQ(cost.bytes, cases[i].bytes) << i;
    EXPECT_EQ(cost.time, cases[i].time) << i;
  }
}

TEST(DecodeMemoryTest, HasRoomUpToTheLastByte) {
  DecodeMemory memory(100);
  std::optional<DecodeMemory::Lease> first = memory.Take(60);
  std::optional<DecodeMemory::Lease> second = memory.Take(39);
  second.reset();
  second = memory.Take(40);
  EXPECT_EQ(memory.taken(), 100U);
  second.reset();
  // One byte too many.
  auto third = std::async(std::launch::async, [&] { return memory.Take(41); });
  while (memory.waiting() == 0) {
    std::this_thread::yield();
  }
  EXPECT_EQ(memory.taken(), 60U);
  first.reset();
  const DecodeMemory::Lease waited = third.get();
  EXPECT_EQ(memory.taken(), 41U);
  EXPECT_EQ(memory.waiting(), 0U);
}

TEST(DecodeMemoryTest, WhatIsLargerThanAllOfItRunsAlone) {
  DecodeMemory memory(100);
  std::optional<DecodeMemory::Lease> large = memory.Take(1000);
  EXPECT_EQ(memory.taken(), 1000U);
  auto small = std::async(std::launch::async, [&] { return memory.Take(1); });
  while (memory.waiting() == 0) {
    std::this_thread::yield();
  }
  large.reset();
  std::optional<DecodeMemory::Lease> got = small.get();
  auto again =
      std::async(std::launch::async, [&] { return memory.Take(1000); });
  while (memory.waiting() == 0) {
    std::this_thread::yield();
  }
  EXPECT_EQ(memory.taken(), 1U);
  got.reset();
  again.wait();
  EXPECT_EQ(memory.taken(), 1000U);
}

// Small ones that come all the time do not keep a large one waiting for ever.
TEST(DecodeMemoryTest, NobodyIsOvertaken) {
  DecodeMemory memory(100);
  std::optional<DecodeMemory::Lease> first = memory.Take(50);
  auto large = std::async(std::launch::async, [&] { return memory.Take(100); });
  while (memory.waiting() < 1) {
    std::this_thread::yield();
  }
  auto small = std::async(std::launch::async, [&] { return memory.Take(1); });
  while (memory.waiting() < 2) {
    std::this_thread::yield();
  }
  // There is room for the small one, which came later.
  EXPECT_EQ(memory.taken(), 50U);
  first.reset();
  std::optional<DecodeMemory::Lease> second = large.get();
  EXPECT_EQ(memory.taken(), 100U);
  second.reset();
  small.wait();
  EXPECT_EQ(memory.taken(), 1U);
}

TEST(DecodeMemoryTest, ManyThreadsNeverHoldMoreThanThereIs) {
  constexpr std::size_t kMost = 10;
  DecodeMemory memory(kMost);
  std::atomic<int> too_much = 0;
  std::vector<std::thread> threads;
  for (std::size_t thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (std::size_t i = 0; i < 2000; ++i) {
        const DecodeMemory::Lease lease = memory.Take(1 + (i + thread) % kMost);
        too_much += memory.taken() > kMost ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(too_much, 0);
  EXPECT_EQ(memory.taken(), 0U);
}

}  // namespace
}  // namespace resnetd
