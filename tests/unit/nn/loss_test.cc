#include "server/nn/loss.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>

namespace resnetd {
namespace {

constexpr std::array<std::array<double, 3>, 2> kLogits = {
    {{1.5, -0.5, 0.25}, {-1, 2, 0}}};

at::Tensor LogitTensor() {
  const at::Tensor logits = at::zeros({2, 3}, at::kDouble);
  for (std::int64_t row = 0; row < 2; ++row) {
    for (std::int64_t column = 0; column < 3; ++column) {
      logits[row][column] = kLogits[static_cast<std::size_t>(row)]
                                   [static_cast<std::size_t>(column)];
    }
  }
  return logits;
}

double LogProbability(std::size_t row, std::size_t column) {
  double sum = 0;
  for (const double logit : kLogits[row]) {
    sum += std::exp(logit);
  }
  return kLogits[row][column] - std::log(sum);
}

TrainingBatch BatchOf(int first, int second) {
  TrainingBatch batch;
  batch.labels = {first, second};
  return batch;
}

double SumOf(const Loss& loss, const TrainingBatch& batch) {
  return loss.Sum(LogitTensor(), batch).item<double>();
}

TEST(LossTest, IsTheCrossEntropy) {
  const Loss loss(0, {}, at::kDouble);
  EXPECT_NEAR(SumOf(loss, BatchOf(2, 1)),
              -LogProbability(0, 2) - LogProbability(1, 1), 1e-12);
  EXPECT_EQ(loss.Weight(BatchOf(2, 1)), 2);
}

TEST(LossTest, SmoothsTheLabels) {
  constexpr double kSmoothing = 0.3;
  const Loss loss(kSmoothing, {}, at::kDouble);
  double expected = 0;
  const std::array<std::size_t, 2> labels = {2, 1};
  for (std::size_t row = 0; row < 2; ++row) {
    for (std::size_t column = 0; column < 3; ++column) {
      const double target =
          kSmoothing / 3 + (column == labels[row] ? 1 - kSmoothing : 0);
      expected -= target * LogProbability(row, column);
    }
  }
  EXPECT_NEAR(SumOf(loss, BatchOf(2, 1)), expected, 1e-12);
}

TEST(LossTest, WeighsTheClasses) {
  const Loss loss(0, {0.5, 2, 3}, at::kDouble);
  EXPECT_NEAR(SumOf(loss, BatchOf(2, 1)),
              -3 * LogProbability(0, 2) - 2 * LogProbability(1, 1), 1e-12);
  EXPECT_EQ(loss.Weight(BatchOf(2, 1)), 5);
  EXPECT_EQ(loss.Weight(BatchOf(0, 0)), 1);
}

TEST(LossTest, MixesTheLossesOfBothLabels) {
  const Loss loss(0, {0.5, 2, 3}, at::kDouble);
  TrainingBatch batch = BatchOf(2, 1);
  batch.partners = {1, 1};
  batch.mix = 0.75;
  EXPECT_NEAR(
      SumOf(loss, batch),
      0.75 * SumOf(loss, BatchOf(2, 1)) + 0.25 * SumOf(loss, BatchOf(1, 1)),
      1e-12);
  EXPECT_DOUBLE_EQ(loss.Weight(batch), 0.75 * 5 + 0.25 * 4);
}

TEST(LossTest, CountsTheExamplesWhoseLabelIsTheBest) {
  EXPECT_EQ(CountCorrect(LogitTensor(), BatchOf(0, 1)), 2);
  EXPECT_EQ(CountCorrect(LogitTensor(), BatchOf(1, 1)), 1);
  TrainingBatch mixed = BatchOf(0, 1);
  mixed.partners = {1, 0};
  EXPECT_EQ(CountCorrect(LogitTensor(), mixed), 0);
}

}  // namespace
}  // namespace resnetd
