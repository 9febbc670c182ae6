#include "server/finetune/gradient_sample.h"

#include <optional>
#include <vector>

#include "gtest/gtest.h"

namespace resnetd {
namespace {

PathNorms Paths(double shortcut, double main) {
  return {.shortcut = shortcut, .main = main};
}

TEST(MainShareTest, IsTheMainPathsPartOfTheSquares) {
  EXPECT_EQ(MainShare(Paths(4, 3)), 9.0 / 25.0);
  EXPECT_EQ(MainShare(Paths(0, 3)), 1);
  EXPECT_EQ(MainShare(Paths(4, 0)), 0);
  EXPECT_EQ(MainShare(Paths(0, 0)), std::nullopt);
}

BlockSample WithInput(double norm) {
  BlockSample block;
  block.paths.emplace().input = norm;
  return block;
}

TEST(DepthRatioTest, ComparesTheFirstWithTheLastBlockThatHasPaths) {
  GradientSample sample;
  sample.blocks = {BlockSample(), WithInput(6), WithInput(100), WithInput(2),
                   BlockSample()};
  EXPECT_EQ(DepthRatio(sample), 3);
  sample.blocks = {WithInput(0), WithInput(2)};
  EXPECT_EQ(DepthRatio(sample), 0);
  sample.blocks = {WithInput(6), WithInput(0)};
  EXPECT_EQ(DepthRatio(sample), std::nullopt);
}

TEST(DepthRatioTest, NeedsTwoBlocks) {
  GradientSample sample;
  EXPECT_EQ(DepthRatio(sample), std::nullopt);
  sample.blocks = {BlockSample(), WithInput(6), BlockSample()};
  EXPECT_EQ(DepthRatio(sample), std::nullopt);
}

TEST(NoiseScaleTest, IsThereWhereSignalAndNoiseAre) {
  EXPECT_EQ(NoiseScale({.signal = 2, .noise = 6}), 3);
  EXPECT_EQ(NoiseScale({.signal = 0, .noise = 1}), std::nullopt);
  EXPECT_EQ(NoiseScale({.signal = -1, .noise = 1}), std::nullopt);
  EXPECT_EQ(NoiseScale({.signal = 1, .noise = 0}), std::nullopt);
  EXPECT_EQ(NoiseScale({.signal = 1, .noise = -1}), std::nullopt);
}

}  // namespace
}  // namespace resnetd
