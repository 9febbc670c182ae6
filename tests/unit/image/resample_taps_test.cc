#include "server/image/resample_taps.h"

#include <gtest/gtest.h>

#include <numeric>

namespace resnetd {
namespace {

constexpr std::int32_t kOne = 1 << ResampleTaps::kWeightBits;

TEST(ResampleTapsTest, CopiesWhereNothingIsResized) {
  const ResampleTaps taps = ComputeTaps(9, 9, 0, 9);
  for (std::size_t i = 0; i < 9; ++i) {
    EXPECT_EQ(taps.first[i], static_cast<int>(i));
    EXPECT_EQ(taps.weights[i * taps.stride], kOne);
    for (std::size_t j = 1; j < taps.stride; ++j) {
      EXPECT_EQ(taps.weights[i * taps.stride + j], 0);
    }
  }
}

TEST(ResampleTapsTest, HalvesWithATriangleOfFour) {
  // Distances from the centre 0.75, 0.25, 0.25, 0.75 of half the support.
  const ResampleTaps taps = ComputeTaps(8, 4, 1, 1);
  ASSERT_EQ(taps.count[0], 4);
  EXPECT_EQ(taps.first[0], 1);
  EXPECT_EQ(taps.weights[0], kOne / 8);
  EXPECT_EQ(taps.weights[1], kOne / 8 * 3);
  EXPECT_EQ(taps.weights[2], kOne / 8 * 3);
  EXPECT_EQ(taps.weights[3], kOne / 8);
}

TEST(ResampleTapsTest, StaysInsideAndSumsToOne) {
  for (const int in : {1, 2, 7, 100, 1000, 16'384}) {
    for (const std::int64_t out : {1, 2, 9, 224, 5000}) {
      const int outputs = static_cast<int>(out);
      const ResampleTaps taps = ComputeTaps(in, out, 0, outputs);
      ASSERT_EQ(taps.stride % 2, 0U);
      for (std::size_t i = 0; i < taps.first.size(); ++i) {
        ASSERT_GE(taps.count[i], 1);
        ASSERT_GE(taps.first[i], 0);
        ASSERT_LE(taps.first[i] + taps.count[i], in);
        const auto begin =
            taps.weights.begin() + static_cast<std::ptrdiff_t>(i * taps.stride);
        const std::int64_t sum = std::accumulate(
            begin, begin + static_cast<std::ptrdiff_t>(taps.stride),
            std::int64_t{0});
        // Each weight is rounded on its own, by at most a half.
        ASSERT_NEAR(static_cast<double>(sum), kOne, taps.count[i] / 2.0 + 1);
      }
    }
  }
}

TEST(ResampleTapsTest, GivesTheSameForAPartAsForTheWhole) {
  const ResampleTaps whole = ComputeTaps(517, 301, 0, 301);
  const ResampleTaps part = ComputeTaps(517, 301, 40, 200);
  for (std::size_t i = 0; i < 200; ++i) {
    ASSERT_EQ(part.first[i], whole.first[i + 40]);
    ASSERT_EQ(part.count[i], whole.count[i + 40]);
    for (int j = 0; j < part.count[i]; ++j) {
      const auto at = static_cast<std::size_t>(j);
      ASSERT_EQ(part.weights[i * part.stride + at],
                whole.weights[(i + 40) * whole.stride + at]);
    }
  }
}

TEST(ResampleTapsTest, SplitsWeightsWithoutLoss) {
  const ResampleTaps taps = ComputeTaps(1000, 37, 0, 37);
  for (std::size_t i = 0; i < taps.pairs.size(); ++i) {
    for (const unsigned shift : {0U, 16U}) {
      const auto half = [&](std::int32_t pair) {
        return static_cast<std::int16_t>(static_cast<std::uint32_t>(pair) >>
                                         shift);
      };
      ASSERT_EQ((half(taps.pairs[i].high) << ResampleTaps::kLowBits) +
                    half(taps.pairs[i].low),
                taps.weights[2 * i + shift / 16]);
    }
  }
}

}  // namespace
}  // namespace resnetd
