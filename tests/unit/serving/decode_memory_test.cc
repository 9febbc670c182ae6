#include "server/serving/decode_memory.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
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
  const DecodeLease first = memory.Take(60, false);
  EXPECT_TRUE(memory.HasRoom(39));
  EXPECT_TRUE(memory.HasRoom(40));
  EXPECT_FALSE(memory.HasRoom(41));
  const DecodeLease second = memory.Take(40, false);
  EXPECT_EQ(memory.taken(), 100U);
  EXPECT_FALSE(memory.HasRoom(1));
  // What is not decoded needs none.
  EXPECT_TRUE(memory.HasRoom(0));
  memory.GiveBack(first);
  EXPECT_EQ(memory.taken(), 40U);
  EXPECT_TRUE(memory.HasRoom(60));
  memory.GiveBack(second);
  EXPECT_EQ(memory.taken(), 0U);
}

TEST(DecodeMemoryTest, WhatIsLargerThanAllOfItRunsAlone) {
  DecodeMemory memory(100);
  EXPECT_TRUE(memory.HasRoom(1000));
  const DecodeLease large = memory.Take(1000, false);
  EXPECT_FALSE(memory.HasRoom(1));
  EXPECT_EQ(memory.RoomBeside(1), 0U);
  memory.GiveBack(large);
  const DecodeLease small = memory.Take(1, false);
  EXPECT_FALSE(memory.HasRoom(1000));
  // Nothing fits beside it.
  EXPECT_EQ(memory.RoomBeside(1000), 0U);
  memory.GiveBack(small);
  EXPECT_TRUE(memory.HasRoom(1000));
}

TEST(DecodeMemoryTest, WhoPassesFitsBesideTheFirstInLine) {
  DecodeMemory memory(100);
  const DecodeLease before = memory.Take(50, false);
  EXPECT_FALSE(memory.HasRoom(70));
  EXPECT_EQ(memory.RoomBeside(70), 30U);
  const DecodeLease passing = memory.Take(20, true);
  EXPECT_EQ(memory.RoomBeside(70), 10U);
  EXPECT_EQ(memory.RoomBeside(85), 0U);
  // For another that is first in line the same.
  EXPECT_EQ(memory.RoomBeside(51), 29U);
  // Who was there before is gone: it waits for nobody who passed it.
  memory.GiveBack(before);
  EXPECT_TRUE(memory.HasRoom(70));
  const DecodeLease first = memory.Take(70, false);
  memory.GiveBack(passing);
  EXPECT_EQ(memory.RoomBeside(40), 30U);
  memory.GiveBack(first);
  EXPECT_EQ(memory.RoomBeside(40), 60U);
}

TEST(DecodeMemoryTest, NobodyOrEverybodyPassesWhereThatIsWanted) {
  DecodeMemory nobody(100, Passing::kNobody);
  nobody.Take(50, false);
  EXPECT_EQ(nobody.RoomBeside(70), std::nullopt);
  DecodeMemory everybody(100, Passing::kEverybody);
  everybody.Take(50, false);
  EXPECT_EQ(everybody.RoomBeside(70), 50U);
}

}  // namespace
}  // namespace resnetd
