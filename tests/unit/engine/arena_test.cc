#include "server/engine/arena.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// The most bytes alive at one step: no plan can do with less.
std::size_t LargestLiveSum(const std::vector<BufferLife>& lives) {
  std::size_t most = 0;
  for (std::size_t step = 0; step < 64; ++step) {
    std::size_t sum = 0;
    for (const BufferLife& life : lives) {
      if (life.first <= step && step <= life.last) {
        sum += life.bytes;
      }
    }
    most = std::max(most, sum);
  }
  return most;
}

void ExpectNoOverlap(const std::vector<BufferLife>& lives,
                     const ArenaPlan& plan) {
  ASSERT_EQ(plan.offsets.size(), lives.size());
  for (std::size_t a = 0; a < lives.size(); ++a) {
    EXPECT_EQ(plan.offsets[a] % kArenaAlignment, 0U);
    EXPECT_LE(plan.offsets[a] + lives[a].bytes, plan.bytes);
    for (std::size_t b = 0; b < a; ++b) {
      const bool at_once =
          lives[a].first <= lives[b].last && lives[b].first <= lives[a].last;
      const bool overlap = plan.offsets[a] < plan.offsets[b] + lives[b].bytes &&
                           plan.offsets[b] < plan.offsets[a] + lives[a].bytes;
      EXPECT_FALSE(at_once && overlap) << a << " and " << b;
    }
  }
}

TEST(PlanArenaTest, NothingNeedsNothing) {
  const ArenaPlan plan = PlanArena({});
  EXPECT_EQ(plan.bytes, 0U);
  EXPECT_THAT(plan.offsets, IsEmpty());
}

TEST(PlanArenaTest, BuffersOfDifferentTimesShareTheirPlace) {
  const ArenaPlan plan = PlanArena({{.bytes = 100, .first = 0, .last = 1},
                                    {.bytes = 640, .first = 2, .last = 3},
                                    {.bytes = 10, .first = 4, .last = 4}});
  EXPECT_THAT(plan.offsets, ElementsAre(0, 0, 0));
  EXPECT_EQ(plan.bytes, 640U);
}

TEST(PlanArenaTest, BuffersThatTouchInOneStepDoNot) {
  const ArenaPlan plan = PlanArena({{.bytes = 64, .first = 0, .last = 1},
                                    {.bytes = 65, .first = 1, .last = 2}});
  EXPECT_THAT(plan.offsets, ElementsAre(128, 0));
  EXPECT_EQ(plan.bytes, 192U);
}

TEST(PlanArenaTest, ASmallBufferFillsAGap) {
  // The large ones stand side by side from step 1; the third dies, its place
  // serves the last.
  const ArenaPlan plan = PlanArena({{.bytes = 1024, .first = 0, .last = 9},
                                    {.bytes = 512, .first = 0, .last = 3},
                                    {.bytes = 256, .first = 0, .last = 9},
                                    {.bytes = 128, .first = 4, .last = 9}});
  EXPECT_THAT(plan.offsets, ElementsAre(0, 1024, 1536, 1024));
}

TEST(PlanArenaTest, NeverOverlapsWhatLivesAtTheSameTime) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    std::vector<BufferLife> lives;
    const std::size_t count = 1 + random() % 20;
    for (std::size_t i = 0; i < count; ++i) {
      std::size_t first = random() % 16;
      std::size_t last = random() % 16;
      if (first > last) {
        std::swap(first, last);
      }
      lives.push_back({.bytes = random() % 1000, .first = first, .last = last});
    }
    const ArenaPlan plan = PlanArena(lives);
    ExpectNoOverlap(lives, plan);
    EXPECT_GE(plan.bytes, LargestLiveSum(lives));
  }
}

TEST(AlignedMemoryTest, IsAlignedAndAsLargeAsAskedFor) {
  for (const std::size_t bytes : {1U, 63U, 64U, 65U, 100'000U}) {
    const AlignedMemory memory(bytes);
    EXPECT_GE(memory.bytes(), bytes);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory.data()) % kArenaAlignment,
              0U);
    memory.data()[bytes - 1] = std::byte{1};
  }
}

TEST(AlignedMemoryTest, NothingIsNothing) {
  EXPECT_EQ(AlignedMemory().data(), nullptr);
  EXPECT_EQ(AlignedMemory(0).data(), nullptr);
  EXPECT_EQ(AlignedMemory(0).bytes(), 0U);
}

// AddressSanitizer ends the process instead of returning no memory.
#ifndef __SANITIZE_ADDRESS__
TEST(AlignedMemoryTest, ThrowsWhenThereIsNoMemory) {
  EXPECT_THROW(AlignedMemory(PTRDIFF_MAX - 1024), std::bad_alloc);
}
#endif

}  // namespace
}  // namespace resnetd
