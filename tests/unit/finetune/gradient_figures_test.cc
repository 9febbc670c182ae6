#include "server/finetune/gradient_figures.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace resnetd {
namespace {

const std::vector<std::string> kLabels = {"layer1.00", "layer2.00"};

GradientSample TwoBlocks(std::int64_t step = 1) {
  GradientSample sample{.step = step, .examples = 32};
  sample.blocks = {
      {.paths = PathNorms{.shortcut = 3,
                          .main = 1,
                          .input = 3.5,
                          .sum = 3,
                          .cosine = 0.25},
       .parameters =
           ParameterNorms{.gradient = 2, .weights = 10, .update = 0.02},
       .residual_ratio = 0.5},
      {.paths = PathNorms{.shortcut = 0, .main = 0, .input = 7}}};
  return sample;
}

TEST(GradientFigureMakerTest, TakesNormsAsTheyAreAndRatiosOfThem) {
  GradientFigureMaker maker;
  const GradientFigures figures = maker.Make(TwoBlocks(), kLabels);
  ASSERT_EQ(figures.blocks.size(), 2U);
  const BlockGradientFigures& first = figures.blocks[0];
  EXPECT_EQ(first.block, "layer1.00");
  EXPECT_EQ(first.shortcut_norm, 3);
  EXPECT_EQ(first.main_norm, 1);
  EXPECT_EQ(first.input_norm, 3.5);
  EXPECT_EQ(first.main_share, 0.1);
  EXPECT_EQ(first.path_cosine, 0.25);
  EXPECT_EQ(first.weight_gradient_norm, 2);
  EXPECT_EQ(first.update_ratio, 0.002);
  EXPECT_EQ(first.residual_ratio, 0.5);
  EXPECT_EQ(figures.depth_ratio, 0.5);
}

TEST(GradientFigureMakerTest, WhatIsAbsentOrHasNoMeaningStaysAbsent) {
  GradientFigureMaker maker;
  GradientSample sample = TwoBlocks();
  sample.blocks[0] = {.parameters = ParameterNorms{.gradient = 1}};
  const GradientFigures figures = maker.Make(sample, kLabels);
  const BlockGradientFigures& first = figures.blocks[0];
  EXPECT_FALSE(first.main_norm.has_value());
  EXPECT_FALSE(first.path_cosine.has_value());
  EXPECT_FALSE(first.residual_ratio.has_value());
  // Weights of norm 0 have no update ratio, both paths 0 no share.
  EXPECT_FALSE(first.update_ratio.has_value());
  EXPECT_FALSE(figures.blocks[1].main_share.has_value());
  EXPECT_FALSE(figures.blocks[1].weight_gradient_norm.has_value());
  EXPECT_FALSE(first.snr.has_value());
  EXPECT_FALSE(figures.depth_ratio.has_value());
  EXPECT_FALSE(figures.noise_scale.has_value());
}

TEST(GradientFigureMakerTest, SignalAndNoiseAreMeansOverSamples) {
  GradientFigureMaker maker;
  GradientSample sample = TwoBlocks(1);
  sample.noise = {.signal = 2, .noise = 100};
  sample.blocks[0].noise = {.signal = 1, .noise = 64};
  GradientFigures figures = maker.Make(sample, kLabels);
  EXPECT_EQ(figures.noise_scale, 50);
  EXPECT_EQ(figures.blocks[0].snr, 0.5);
  // One step in which noise hides the signal changes little.
  sample.step = 2;
  sample.noise = {.signal = -2, .noise = 100};
  sample.blocks[0].noise = {.signal = -1, .noise = 64};
  figures = maker.Make(sample, kLabels);
  EXPECT_NEAR(*figures.noise_scale, 100 / 1.6, 1e-9);
  EXPECT_NEAR(*figures.blocks[0].snr, 0.8 * 32 / 64, 1e-9);
  // A sample without an estimate leaves them.
  sample.step = 3;
  sample.noise.reset();
  sample.blocks[0].noise.reset();
  figures = maker.Make(sample, kLabels);
  EXPECT_NEAR(*figures.noise_scale, 100 / 1.6, 1e-9);
  EXPECT_TRUE(figures.blocks[0].snr.has_value());
}

TEST(GradientFigureMakerTest, NoSignalIsAnSnrBelowZeroAndNoNoiseScale) {
  GradientFigureMaker maker;
  GradientSample sample = TwoBlocks();
  sample.noise = {.signal = -2, .noise = 100};
  sample.blocks[0].noise = {.signal = -1, .noise = 64};
  GradientFigures figures = maker.Make(sample, kLabels);
  EXPECT_FALSE(figures.noise_scale.has_value());
  EXPECT_EQ(figures.blocks[0].snr, -0.5);
  sample.blocks[0].noise = {.signal = 1, .noise = 0};
  EXPECT_FALSE(
      GradientFigureMaker().Make(sample, kLabels).blocks[0].snr.has_value());
}

TEST(GradientFigureMakerTest, MeansBeginAnewAfterAStepBackOrOtherBlocks) {
  GradientFigureMaker maker;
  GradientSample sample = TwoBlocks(10);
  sample.noise = {.signal = 1, .noise = 100};
  maker.Make(sample, kLabels);
  sample.step = 5;
  sample.noise = {.signal = 1, .noise = 10};
  EXPECT_EQ(maker.Make(sample, kLabels).noise_scale, 10);
  sample.step = 6;
  sample.blocks.pop_back();
  sample.noise = {.signal = 1, .noise = 7};
  EXPECT_EQ(maker.Make(sample, kLabels).noise_scale, 7);
}

TEST(GradientFigureMakerTest, BlocksWithoutLabelAreLeftOut) {
  GradientFigureMaker maker;
  EXPECT_EQ(maker.Make(TwoBlocks(), {"layer1.00"}).blocks.size(), 1U);
  EXPECT_TRUE(maker.Make(TwoBlocks(), {}).blocks.empty());
}

// Estimates that scatter by several times their mean, as those of single steps
// do, come to within a third of the truth.
TEST(GradientFigureMakerTest, AScatteringEstimateSettles) {
  std::mt19937 random(7);
  std::normal_distribution<double> scatter(0, 1);
  GradientFigureMaker maker;
  GradientSample sample = TwoBlocks();
  double mean = 0;
  constexpr int kSteps = 400;
  constexpr int kCounted = 300;
  for (int step = 1; step <= kSteps; ++step) {
    sample.step = step;
    sample.noise = {.signal = 1 + scatter(random), .noise = 100};
    const GradientFigures figures = maker.Make(sample, kLabels);
    if (step > kSteps - kCounted) {
      ASSERT_TRUE(figures.noise_scale.has_value());
      mean += 1 / *figures.noise_scale / kCounted;
    }
  }
  EXPECT_NEAR(1 / mean, 100, 33);
}

}  // namespace
}  // namespace resnetd
