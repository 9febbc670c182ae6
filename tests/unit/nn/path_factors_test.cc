#include "server/nn/path_factors.h"

#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

#include <cmath>

namespace resnetd {
namespace {

at::Tensor Factors(double chance, std::uint64_t seed, std::size_t block,
                   std::int64_t pictures) {
  return PathFactors(chance, seed, block, pictures, at::kDouble);
}

TEST(PathFactorsTest, TheChanceGrowsEvenlyFromTheFirstBlockToTheLast) {
  EXPECT_EQ(DropChance(0.5, 0, 5), 0);
  EXPECT_DOUBLE_EQ(DropChance(0.5, 1, 5), 0.125);
  EXPECT_DOUBLE_EQ(DropChance(0.5, 2, 5), 0.25);
  EXPECT_DOUBLE_EQ(DropChance(0.5, 4, 5), 0.5);
  EXPECT_EQ(DropChance(0.5, 0, 1), 0);
}

TEST(PathFactorsTest, AreZeroOrMakeUpForTheZeros) {
  constexpr double kChance = 0.2;
  constexpr std::int64_t kPictures = 20'000;
  const at::Tensor factors = Factors(kChance, 7, 3, kPictures);
  EXPECT_EQ(factors.sizes(), at::IntArrayRef({kPictures, 1, 1, 1}));
  const auto left_out = static_cast<double>(factors.eq(0).sum().item<int>());
  const auto kept =
      static_cast<double>(factors.eq(1 / (1 - kChance)).sum().item<int>());
  EXPECT_EQ(left_out + kept, kPictures);
  // Five standard deviations.
  EXPECT_NEAR(left_out / kPictures, kChance,
              5 * std::sqrt(kChance * (1 - kChance) / kPictures));
}

TEST(PathFactorsTest, DependOnSeedBlockAndPictureAlone) {
  const at::Tensor all = Factors(0.5, 7, 3, 64);
  EXPECT_TRUE(all.equal(Factors(0.5, 7, 3, 64)));
  EXPECT_TRUE(all.narrow(0, 0, 20).equal(Factors(0.5, 7, 3, 20)));
  EXPECT_FALSE(all.equal(Factors(0.5, 8, 3, 64)));
  EXPECT_FALSE(all.equal(Factors(0.5, 7, 4, 64)));
}

TEST(PathFactorsTest, WithoutAChanceKeepEveryPath) {
  EXPECT_TRUE(Factors(0, 7, 3, 100).eq(1).all().item<bool>());
}

}  // namespace
}  // namespace resnetd
