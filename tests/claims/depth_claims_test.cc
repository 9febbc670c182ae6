// C1 and C3 of docs/gradients.md: depth, degradation, identity.

#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <iostream>
#include <vector>

#include "tests/claims/claims_fixture.h"

namespace resnetd {
namespace {

TrainingCurve Trained(const LabSpec& spec, int epochs, double rate) {
  GradientLab lab = NewLab(spec, at::kFloat, LabOptimizer());
  return TrainDigits(lab, AllDigits(), epochs, rate,
                     static_cast<std::uint64_t>(spec.seed) + 1);
}

TEST(ClaimC1, APlainNetOf56LayersDegradesAndTheResidualOneDoesNot) {
  const int epochs = IsLong() ? 10 : 3;
  const int seeds = IsLong() ? 2 : 1;
  for (int seed = 0; seed < seeds; ++seed) {
    const TrainingCurve residual = Trained(
        {.stage_blocks = 9, .zero_residual = true, .seed = seed}, epochs, 0.1);
    const TrainingCurve plain = Trained(
        {.stage_blocks = 9, .has_shortcuts = false, .seed = seed}, epochs, 0.1);
    std::cout << epochs << " epochs: res-56 zero gamma " << residual.last_loss
              << ", " << 100 * residual.accuracy << " %; plain-56 "
              << plain.last_loss << ", " << 100 * plain.accuracy << " %\n";
    EXPECT_TRUE(residual.is_finite && plain.is_finite);
    EXPECT_GT(plain.last_loss / residual.last_loss, IsLong() ? 20 : 5);
    EXPECT_GT(residual.accuracy, IsLong() ? 0.97 : 0.9);
    EXPECT_LT(plain.accuracy, 0.6);
  }
}

// It is depth and not the lack of shortcuts alone: of 20 layers it learns.
TEST(ClaimC1, APlainNetOf20LayersStillLearns) {
  const TrainingCurve plain = Trained(
      {.stage_blocks = 3, .has_shortcuts = false}, IsLong() ? 10 : 3, 0.05);
  std::cout << "plain-20: " << plain.last_loss << ", " << 100 * plain.accuracy
            << " %\n";
  EXPECT_GT(plain.accuracy, 0.85);
}

TEST(ClaimC1, NetworksOfHundredsOfLayersTrain) {
  // 302 layers some steps; the full form: 1202, and 110 as a whole.
  GradientLab deep =
      NewLab({.stage_blocks = IsLong() ? 200 : 50, .zero_residual = true},
             at::kFloat, LabOptimizer());
  DigitBatches batches(AllDigits(), 16, 1);
  const TrainingBatch batch = batches.Next();
  const double before = deep.Train(batch, 0.02).loss;
  for (int step = 0; step < 4; ++step) {
    EXPECT_TRUE(deep.Train(batch, 0.02).is_finite);
  }
  const double after = deep.Look(batch).loss;
  std::cout << "loss of 16 digits " << before << ", after 5 steps " << after
            << '\n';
  EXPECT_LT(after, 0.8 * before);
  if (IsLong()) {
    const TrainingCurve curve =
        Trained({.stage_blocks = 18, .zero_residual = true}, 10, 0.1);
    std::cout << "res-110 zero gamma: " << 100 * curve.accuracy << " %\n";
    EXPECT_GT(curve.accuracy, 0.97);
  }
}

TEST(ClaimC3, BlocksThatBeginAsTheIdentityLeaveEveryBitOfTheAnswer) {
  const LabSpec spec{.stage_blocks = 1};
  GradientLab shallow = NewLab(spec, at::kFloat, LabOptimizer());
  TrainDigits(shallow, AllDigits(), IsLong() ? 10 : 4, 0.1, 1);
  const Network network = LabNetwork(spec, kDigitClasses);
  const auto deepened = [&](float scale) {
    const DeepenedNetwork made =
        Deepened(spec, network, shallow.ExportWeights(), 2, scale);
    return GradientLab({.stage_blocks = 3}, made.network, made.weights,
                       DigitPreprocess(), LabOptimizer());
  };
  const TrainingBatch batch = BatchOf(AllDigits(), AllDigits().held_out);
  GradientLab deep = deepened(0);
  for (const bool batch_statistics : {false, true}) {
    EXPECT_TRUE(deep.Logits(batch.pictures, batch_statistics)
                    .equal(shallow.Logits(batch.pictures, batch_statistics)));
  }
  const double before = HeldOutAccuracy(shallow, AllDigits());
  GradientLab broken = deepened(1);
  const double with_one = HeldOutAccuracy(broken, AllDigits());
  std::cout << "8 layers " << before << ", 20 layers "
            << HeldOutAccuracy(deep, AllDigits()) << ", with a scale of 1 "
            << with_one << '\n';
  EXPECT_EQ(HeldOutAccuracy(deep, AllDigits()), before);
  EXPECT_GT(before, 0.9);
  EXPECT_LT(with_one, 0.6);
}

}  // namespace
}  // namespace resnetd
