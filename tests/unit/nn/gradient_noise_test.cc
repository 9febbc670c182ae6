#include "server/nn/gradient_noise.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "server/finetune/random.h"

namespace resnetd {
namespace {

std::vector<std::size_t> SizesOf(const std::vector<Rows>& parts) {
  std::vector<std::size_t> sizes;
  std::size_t next = 0;
  for (const Rows& part : parts) {
    EXPECT_EQ(part.first, next);
    next += part.count;
    sizes.push_back(part.count);
  }
  return sizes;
}

using Sizes = std::vector<std::size_t>;

TEST(GradientNoiseTest, TakesABatchInPartsAsEvenAsTheyCanBe) {
  EXPECT_EQ(SizesOf(NoiseParts(8, 2)), (Sizes{2, 2, 2, 2}));
  EXPECT_EQ(SizesOf(NoiseParts(10, 2)), (Sizes{2, 3, 2, 3}));
  EXPECT_EQ(SizesOf(NoiseParts(64, 1)), (Sizes{16, 16, 16, 16}));
  EXPECT_EQ(SizesOf(NoiseParts(3, 1)), (Sizes{1, 1, 1}));
}

TEST(GradientNoiseTest, TakesFewerPartsOfASmallBatch) {
  EXPECT_EQ(SizesOf(NoiseParts(7, 2)), (Sizes{2, 2, 3}));
  EXPECT_EQ(SizesOf(NoiseParts(4, 2)), (Sizes{2, 2}));
  EXPECT_TRUE(NoiseParts(3, 2).empty());
  EXPECT_TRUE(NoiseParts(1, 1).empty());
  EXPECT_EQ(SizesOf(NoiseParts(2, 1)), (Sizes{1, 1}));
}

// The formula of the header, with parts of one size.
TEST(GradientNoiseTest, IsTheFormulaOfEqualParts) {
  // g_k: (3, 0) and (1, 4) of 5 examples each; their mean: (2, 2).
  const double mean = (9 + 17) / 2.0;
  const double whole = 8;
  const auto noise = EstimateNoise({{.examples = 5, .squared_norm = 9 / 4.0},
                                    {.examples = 5, .squared_norm = 17 / 4.0}},
                                   whole);
  ASSERT_TRUE(noise.has_value());
  EXPECT_NEAR(noise->signal, (10 * whole - 5 * mean) / (10 - 5), 1e-12);
  EXPECT_NEAR(noise->noise, (mean - whole) / (1 / 5.0 - 1 / 10.0), 1e-12);
}

TEST(GradientNoiseTest, IsNothingWithoutTwoParts) {
  EXPECT_FALSE(EstimateNoise({}, 1).has_value());
  EXPECT_FALSE(EstimateNoise({{.examples = 5, .squared_norm = 1}}, 1));
  EXPECT_FALSE(EstimateNoise(
      {{.examples = 5, .squared_norm = 1}, {.examples = 0, .squared_norm = 0}},
      1));
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_FALSE(EstimateNoise({{.examples = 5, .squared_norm = 1},
                              {.examples = 5, .squared_norm = nan}},
                             1));
}

// Normal vectors of a known mean and spread, in parts of given sizes.
GradientNoise MeanEstimate(const std::vector<int>& sizes) {
  constexpr std::size_t kDimensions = 6;
  constexpr double kMean = 0.3;    // in each: |G|^2 = 0.54
  constexpr double kSpread = 1.5;  // in each: trace 13.5
  constexpr int kDraws = 20000;
  using Vector = std::array<double, kDimensions>;
  double examples = 0;
  for (const int size : sizes) {
    examples += size;
  }
  GradientNoise mean;
  RandomStream random(7, RandomPurpose::kStep, 0, 0);
  for (int draw = 0; draw < kDraws; ++draw) {
    Vector whole{};
    std::vector<NoisePart> parts;
    for (const int size : sizes) {
      Vector share{};
      for (int example = 0; example < size; ++example) {
        for (double& value : share) {
          value += (kMean + kSpread * random.Normal()) / examples;
        }
      }
      parts.push_back({.examples = size});
      for (std::size_t i = 0; i < kDimensions; ++i) {
        parts.back().squared_norm += share[i] * share[i];
        whole[i] += share[i];
      }
    }
    double square = 0;
    for (const double value : whole) {
      square += value * value;
    }
    const GradientNoise noise = EstimateNoise(parts, square).value();
    mean.signal += noise.signal / kDraws;
    mean.noise += noise.noise / kDraws;
  }
  return mean;
}

TEST(GradientNoiseTest, IsRightOnAverageForPartsOfAnySize) {
  for (const std::vector<int>& sizes :
       {std::vector<int>{8, 8, 8, 8}, {3, 5, 7}, {1, 20}, {2, 2, 3}}) {
    const GradientNoise mean = MeanEstimate(sizes);
    EXPECT_NEAR(mean.signal, 0.54, 0.03) << sizes.size();
    EXPECT_NEAR(mean.noise, 13.5, 0.2) << sizes.size();
  }
}

}  // namespace
}  // namespace resnetd
