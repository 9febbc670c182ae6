#include "server/nn/gradient_taps.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace resnetd {
namespace {

// A block of two values, y = a * x + b * x, whose sum has the gradient `g`.
void Pass(BlockTap& tap, const std::vector<double>& a,
          const std::vector<double>& b, const std::vector<double>& g,
          at::ScalarType dtype = at::kDouble) {
  const auto tensor = [dtype](const std::vector<double>& values) {
    return at::tensor(values, at::kDouble).to(dtype);
  };
  const at::Tensor leaf = tensor({3, 4}).set_requires_grad(true);
  const at::Tensor input = leaf.mul(1);
  const Fork by = tap.Split(input);
  const at::Tensor main = by.main.mul(tensor(a));
  const at::Tensor shortcut = by.shortcut.mul(tensor(b));
  tap.TakeOutputs(main, shortcut);
  const at::Tensor sum = main.add_(shortcut);
  tap.TakeSum(sum);
  sum.backward(tensor(g));
}

std::vector<std::optional<BlockPaths>> BlocksOf(const GradientTaps& taps) {
  const at::Tensor slots = taps.slots();
  const auto* numbers = slots.const_data_ptr<double>();
  return taps.Blocks({numbers, static_cast<std::size_t>(slots.numel())});
}

TEST(GradientTapsTest, MeasuresBothPathsOfABlock) {
  const GradientTaps taps(1, {false}, at::kCPU);
  // Back come (6, 0) through the main path and (3, 8) through the shortcut.
  Pass(*taps.OfPass(0)[0], {2, 0}, {1, 2}, {3, 4});
  const BlockPaths block = *BlocksOf(taps)[0];
  EXPECT_NEAR(block.paths.main, 6, 1e-12);
  EXPECT_NEAR(block.paths.shortcut, std::sqrt(73), 1e-12);
  EXPECT_NEAR(block.paths.input, std::sqrt(81 + 64), 1e-12);
  EXPECT_NEAR(block.paths.sum, 5, 1e-12);
  EXPECT_NEAR(block.paths.cosine, 18 / (6 * std::sqrt(73)), 1e-12);
  // (6, 0) over (3, 8).
  ASSERT_TRUE(block.residual_ratio.has_value());
  EXPECT_NEAR(*block.residual_ratio, 6 / std::sqrt(73), 1e-12);
}

TEST(GradientTapsTest, TakesTheSumFromAnIdentityShortcut) {
  const GradientTaps taps(1, {true}, at::kCPU);
  Pass(*taps.OfPass(0)[0], {2, 0}, {1, 1}, {3, 4});
  EXPECT_EQ(BlocksOf(taps)[0]->paths.sum, BlocksOf(taps)[0]->paths.shortcut);
  EXPECT_NEAR(BlocksOf(taps)[0]->paths.sum, 5, 1e-12);
}

TEST(GradientTapsTest, AddsUpWhatIsOfAllExamples) {
  const GradientTaps taps(2, {false}, at::kCPU);
  Pass(*taps.OfPass(0)[0], {2, 0}, {1, 2}, {3, 4});
  Pass(*taps.OfPass(1)[0], {1, 1}, {1, -1}, {1, 2});
  const BlockPaths block = *BlocksOf(taps)[0];
  // Main (6, 0, 1, 2), shortcut (3, 8, 1, -2).
  EXPECT_NEAR(block.paths.main, std::sqrt(41), 1e-12);
  EXPECT_NEAR(block.paths.shortcut, std::sqrt(78), 1e-12);
  EXPECT_NEAR(block.paths.input, std::sqrt(81 + 64 + 4), 1e-12);
  EXPECT_NEAR(block.paths.sum, std::sqrt(25 + 5), 1e-12);
  EXPECT_NEAR(block.paths.cosine, (18 + 1 - 4) / std::sqrt(41.0 * 78), 1e-12);
}

// In float32 the three norms say nothing of an angle next to a path that is
// nearly nothing.
TEST(GradientTapsTest, KnowsTheAngleToAPathThatIsNearlyNothing) {
  for (const double small : {1e-1, 2e-2, 1e-3, 1e-6}) {
    const GradientTaps taps(1, {true}, at::kCPU);
    Pass(*taps.OfPass(0)[0], {small, 0}, {1, 1}, {3, 4}, at::kFloat);
    EXPECT_NEAR(BlocksOf(taps)[0]->paths.cosine, 0.6, 2e-5) << small;
    const GradientTaps turned(1, {false}, at::kCPU);
    Pass(*turned.OfPass(0)[0], {1, 1}, {0, -small}, {3, 4}, at::kFloat);
    EXPECT_NEAR(BlocksOf(turned)[0]->paths.cosine, -0.8, 2e-5) << small;
  }
}

TEST(GradientTapsTest, KnowsNoAngleToNothing) {
  const GradientTaps taps(1, {true}, at::kCPU);
  Pass(*taps.OfPass(0)[0], {0, 0}, {1, 1}, {3, 4});
  const BlockPaths block = *BlocksOf(taps)[0];
  EXPECT_EQ(block.paths.main, 0);
  EXPECT_EQ(block.paths.cosine, 0);
  EXPECT_EQ(block.residual_ratio, 0);
  EXPECT_EQ(MainShare(block.paths), 0);
}

TEST(GradientTapsTest, HasNoRatioToAShortcutOfNothing) {
  const GradientTaps taps(1, {false}, at::kCPU);
  Pass(*taps.OfPass(0)[0], {1, 1}, {0, 0}, {3, 4});
  EXPECT_FALSE(BlocksOf(taps)[0]->residual_ratio.has_value());
}

TEST(GradientTapsTest, HasNothingOfABlockWithoutAGradientAtItsInput) {
  const GradientTaps taps(1, {true, true}, at::kCPU);
  const Fork by = taps.OfPass(0)[0]->Split(at::zeros({2}));
  taps.OfPass(0)[0]->TakeOutputs(by.main, by.shortcut);
  taps.OfPass(0)[0]->TakeSum(at::zeros({2}));
  Pass(*taps.OfPass(0)[1], {1, 1}, {1, 1}, {3, 4});
  EXPECT_FALSE(BlocksOf(taps)[0].has_value());
  EXPECT_TRUE(BlocksOf(taps)[1].has_value());
}

}  // namespace
}  // namespace resnetd
