// B1 to B3 and B7 of docs/gradients.md: how large gradients are.

#include <ATen/core/Tensor.h>
#include <ATen/ops/from_blob.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <iostream>
#include <vector>

#include "server/nn/tensor_norm.h"
#include "tests/claims/claims_fixture.h"

namespace resnetd {
namespace {

constexpr LabSpec Bare(int stage_blocks, bool has_shortcuts, double gain,
                       std::int64_t seed = 0) {
  return {.stage_blocks = stage_blocks,
          .has_shortcuts = has_shortcuts,
          .has_norms = false,
          .gain = gain,
          .seed = seed};
}

int Seeds() { return IsLong() ? 5 : 2; }

TEST(ClaimB1, WithoutNormsGradientsOfSmallWeightsVanishTowardsTheInput) {
  for (int seed = 0; seed < Seeds(); ++seed) {
    const double plain_20 =
        FirstDepthRatio(Bare(3, false, 0.5, seed), AllDigits());
    const double plain_56 =
        FirstDepthRatio(Bare(9, false, 0.5, seed), AllDigits());
    const double residual_56 =
        FirstDepthRatio(Bare(9, true, 0.5, seed), AllDigits());
    std::cout << "depth ratio: plain-20 " << plain_20 << ", plain-56 "
              << plain_56 << ", res-56 " << residual_56 << '\n';
    // 4.5e-7 within an order of magnitude.
    EXPECT_GT(plain_20, 4.5e-8);
    EXPECT_LT(plain_20, 4.5e-6);
    EXPECT_LT(plain_56, 1e-18);
    EXPECT_GT(residual_56, 0.05);
    EXPECT_LT(residual_56, 5);
  }
}

// Squares of float32 would be 0 where the gradient is not: its norm is summed
// in float64.
TEST(ClaimB1, InFloatTheVanishedGradientOfPlain56IsStillMeasured) {
  const auto ratio_of = [](at::ScalarType type) {
    GradientLab lab = NewLab(Bare(9, false, 0.5), type);
    const GradientSample sample = lab.Look(FirstDigits(64)).sample;
    EXPECT_GT(sample.blocks.front().paths->input, 0);
    EXPECT_LT(sample.blocks.front().paths->input, 1e-20);
    return DepthRatio(sample).value();
  };
  const double in_float = ratio_of(at::kFloat);
  EXPECT_LT(in_float, 1e-15);
  EXPECT_NEAR(in_float / ratio_of(at::kDouble), 1, 0.01);
}

TEST(ClaimB1, WhereTheyVanishLearningIsSlow) {
  const auto loss_of = [](bool has_shortcuts) {
    GradientLab lab =
        NewLab(Bare(3, has_shortcuts, 0.5), at::kFloat, LabOptimizer());
    return TrainDigits(lab, AllDigits(), 3, 0.1, 1).last_loss;
  };
  const double plain = loss_of(false);
  const double residual = loss_of(true);
  std::cout << "three epochs: plain-20 " << plain << ", res-20 " << residual
            << '\n';
  EXPECT_GT(plain, 2.29);  // guessing: log 10 = 2.303
  EXPECT_LT(residual, 1);
}

TEST(ClaimB2, AnUpdateBelowHalfAnUlpChangesNoBit) {
  for (const float weight : {0.01F, 0.7F, 1.0F, 1.9F, 123.0F}) {
    EXPECT_EQ(weight + 2.9e-8F * weight, weight);
    EXPECT_NE(weight + 1.3e-7F * weight, weight);
  }
}

// Of all blocks: the largest update of one step in the weights, or the least.
double UpdateRatio(const GradientSample& sample, bool largest) {
  double found = largest ? 0 : 1e300;
  for (const BlockSample& block : sample.blocks) {
    const double ratio = block.parameters->update / block.parameters->weights;
    found = largest ? std::max(found, ratio) : std::min(found, ratio);
  }
  return found;
}

// After one step at rate 0.1.
GradientSample FirstStep(int stage_blocks, bool has_shortcuts,
                         std::int64_t seed) {
  GradientLab lab =
      NewLab(Bare(stage_blocks, has_shortcuts, 0.5, seed), at::kDouble);
  return lab.Step(FirstDigits(64), 0.1).sample;
}

TEST(ClaimB2, AVanishingTwinIsFrozenAndItsResidualNetworkIsNot) {
  for (int seed = 0; seed < Seeds(); ++seed) {
    const double plain_20 = UpdateRatio(FirstStep(3, false, seed), true);
    const double plain_56 = UpdateRatio(FirstStep(9, false, seed), true);
    const double residual_20 = UpdateRatio(FirstStep(3, true, seed), false);
    std::cout << "update in the weights of a block: plain-20 at most "
              << plain_20 << ", plain-56 " << plain_56 << ", res-20 at least "
              << residual_20 << '\n';
    EXPECT_LT(plain_20, 6e-8);
    EXPECT_LT(plain_56, 3e-11);
    EXPECT_GT(residual_20, 1e-5);
    EXPECT_LT(residual_20, 1e-2);
  }
  // And in float32 nothing but the bias of the head changes by a bit.
  GradientLab lab = NewLab(Bare(9, false, 0.5));
  std::vector<at::Tensor> before;
  for (const NamedTensor& entry : lab.State()) {
    before.push_back(entry.tensor.detach().clone());
  }
  DigitBatches batches(AllDigits(), kLabBatch, 1);
  for (int step = 0; step < 5; ++step) {
    lab.Train(batches.Next(), 0.1);
  }
  const std::vector<NamedTensor> after = lab.State();
  for (std::size_t i = 0; i < after.size(); ++i) {
    EXPECT_EQ(after[i].tensor.detach().equal(before[i]),
              after[i].name != "fc.bias")
        << after[i].name;
  }
}

TEST(ClaimB3, SmallWeightsVanishAndLargeOnesExplode) {
  constexpr std::array<double, 5> kGains = {0.5, 0.7, 1, 1.4, 2};
  for (int seed = 0; seed < (IsLong() ? 5 : 1); ++seed) {
    for (const int n : {3, 9}) {
      for (const bool has_shortcuts : {false, true}) {
        std::vector<double> ratios;
        std::cout << (has_shortcuts ? "res-" : "plain-") << 6 * n + 2 << ':';
        for (const double gain : kGains) {
          ratios.push_back(
              FirstDepthRatio(Bare(n, has_shortcuts, gain, seed), AllDigits()));
          std::cout << ' ' << ratios.back();
        }
        std::cout << '\n';
        EXPECT_TRUE(std::is_sorted(ratios.begin(), ratios.end()));
        if (n == 9) {
          EXPECT_GT(ratios.back() / ratios.front(), 1e13);
        }
        // Weights below 1 only vanish without shortcuts.
        EXPECT_EQ(ratios.front() < 1e-3, !has_shortcuts);
        EXPECT_GT(ratios.back(), 200);
      }
    }
  }
}

TEST(ClaimB7, ExactZerosAreCounted) {
  const std::vector<at::Tensor> slots = Slots({2}, at::kCPU).unbind();
  std::array<float, 6> raw = {0, 1e-45F, -0.0F, 1, 0, -2};
  const at::Tensor values = at::from_blob(raw.data(), {6}, at::kFloat);
  NormAndZerosInto(values, slots[0], slots[1]);
  EXPECT_EQ(slots[1].item<double>(), 3);
}

// Relative error of the gradient of the first block in float32.
double ErrorOfFirstBlock(const LabSpec& spec) {
  const TrainingBatch batch = FirstDigits(8);
  const auto first = [&](at::ScalarType type) {
    GradientLab lab = NewLab(spec, type);
    return lab.GradientOf("layer1.0.conv1.weight", batch).to(at::kDouble);
  };
  const at::Tensor exact = first(at::kDouble);
  return NormOfValues(first(at::kFloat).sub(exact)) / NormOfValues(exact);
}

struct SmallGradient {
  double zero_share = 0;
  double error = 0;
};

// Of the first block of a network without norms.
SmallGradient FirstBlockOf(int stage_blocks, bool has_shortcuts) {
  const LabSpec spec = Bare(stage_blocks, has_shortcuts, 0.5);
  GradientLab lab = NewLab(spec);
  const SmallGradient small{
      .zero_share =
          lab.Look(FirstDigits(8)).sample.blocks.front().parameters->zero_share,
      .error = ErrorOfFirstBlock(spec)};
  std::cout << (has_shortcuts ? "res-" : "plain-") << LayersOf(spec) << ": "
            << small.zero_share
            << " of the first block's gradient is 0, off by " << small.error
            << '\n';
  return small;
}

TEST(ClaimB7, TooSmallGradientsAreInaccurateAndInTheEndNothing) {
  EXPECT_LT(FirstBlockOf(1, /*has_shortcuts=*/false).error, 1e-5);
  const SmallGradient plain_110 = FirstBlockOf(18, /*has_shortcuts=*/false);
  EXPECT_GT(plain_110.error, 0.1);
  EXPECT_GT(plain_110.zero_share, 0.1);
  EXPECT_EQ(FirstBlockOf(20, /*has_shortcuts=*/false).zero_share, 1);
  const SmallGradient residual_122 = FirstBlockOf(20, /*has_shortcuts=*/true);
  EXPECT_LT(residual_122.error, 1e-5);
  EXPECT_LT(residual_122.zero_share, 0.5);
}

}  // namespace
}  // namespace resnetd
