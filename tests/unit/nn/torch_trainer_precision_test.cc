// Training with activations in bfloat16, beside the same in double precision.

#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include "server/nn/torch_trainer.h"
#include "tests/unit/nn/training_fixture.h"

namespace resnetd {
namespace {

TrainerOptions Bf16Options() {
  TrainerOptions options = PlainOptions();
  options.precision = TrainingPrecision::kBf16;
  return options;
}

std::vector<NamedTensor> GradientsOf(TorchTrainer& trainer,
                                     const TrainingBatch& batch) {
  auto gradients = trainer.Gradients({&batch, 1});
  EXPECT_TRUE(gradients.ok()) << gradients.status();
  return gradients.ok() ? *std::move(gradients) : std::vector<NamedTensor>();
}

// |a - b| / |b| over all tensors together.
double ErrorOf(const std::vector<NamedTensor>& a,
               const std::vector<NamedTensor>& b) {
  EXPECT_EQ(a.size(), b.size());
  double difference = 0;
  double size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const at::Tensor exact = b[i].tensor.to(at::kDouble);
    const at::Tensor apart = a[i].tensor.to(at::kDouble).sub(exact);
    difference += apart.square().sum().item<double>();
    size += exact.square().sum().item<double>();
  }
  return std::sqrt(difference / size);
}

class PrecisionTest : public testing::TestWithParam<BlockVersion> {};

// A value of bfloat16 is off by up to 2^-9; some dozens of them in a row and
// the ReLUs that switch make a few percent of the whole.
TEST_P(PrecisionTest, GradientsAreNearThoseInDoublePrecision) {
  const Network network = SmallNetwork(GetParam());
  FilledBatch batch(0, 8);
  const auto exact = GradientsOf(
      *MakeTrainer(PlainOptions(), at::kDouble, network), batch.batch());
  const auto fp32 = GradientsOf(
      *MakeTrainer(PlainOptions(), at::kFloat, network), batch.batch());
  const auto bf16 = GradientsOf(
      *MakeTrainer(Bf16Options(), at::kFloat, network), batch.batch());
  EXPECT_LT(ErrorOf(fp32, exact), 1e-4);
  EXPECT_LT(ErrorOf(bf16, exact), 0.1);
  // It is not float32 by another name.
  EXPECT_GT(ErrorOf(bf16, exact), 1e-3);
  for (const NamedTensor& one : bf16) {
    EXPECT_EQ(one.tensor.scalar_type(), at::kFloat) << one.name;
  }
}

TEST_P(PrecisionTest, LearnsABatchThatItSeesAgainAndAgain) {
  TrainerOptions options = Bf16Options();
  options.stochastic_depth = 0.2;
  options.ema = 0.5;
  const auto trainer =
      MakeTrainer(options, at::kFloat, SmallNetwork(GetParam()));
  FilledBatch batch(0, 8);
  for (int step = 0; step < 40; ++step) {
    const auto report = trainer->Step({&batch.batch(), 1}, Rate(0.1));
    ASSERT_TRUE(report.ok()) << report.status();
    EXPECT_TRUE(report->is_finite);
  }
  const std::vector<const Pixels*> pictures = batch.batch().pictures;
  ASSERT_TRUE(trainer->EstimateNorms({&pictures, 1}).ok());
  const auto logits = trainer->Logits(pictures);
  ASSERT_TRUE(logits.ok()) << logits.status();
  int right = 0;
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    const float* const row = logits->data() + i * kClasses;
    right +=
        std::max_element(row, row + kClasses) - row == batch.batch().labels[i];
  }
  EXPECT_EQ(right, 8);
}

INSTANTIATE_TEST_SUITE_P(BothVersions, PrecisionTest,
                         testing::Values(BlockVersion::kV1, BlockVersion::kV2));

TEST(Bf16TrainerTest, EvaluatesAsWithoutIt) {
  const auto bf16 = MakeTrainer(Bf16Options());
  const auto fp32 = MakeTrainer(PlainOptions());
  FilledBatch batch(0, 5);
  EXPECT_EQ(*bf16->Logits(batch.batch().pictures),
            *fp32->Logits(batch.batch().pictures));
}

TEST(Bf16TrainerTest, KeepsEverythingInFp32AndGoesOnBitForBit) {
  const auto straight = MakeTrainer(Bf16Options());
  TrainStep(*straight, 0);
  const TrainerState saved = SavedState(*straight);
  TrainStep(*straight, 1);
  const auto resumed = MakeTrainer(Bf16Options());
  ASSERT_TRUE(resumed->Restore(saved).ok());
  TrainStep(*resumed, 1);
  EXPECT_TRUE(SameValues(Exported(*resumed), Exported(*straight)));
  for (const NamedTensor& one : straight->NetworkState()) {
    EXPECT_EQ(one.tensor.scalar_type(), at::kFloat) << one.name;
  }
  for (const NamedTensor& one : straight->OptimizerState()) {
    EXPECT_EQ(one.tensor.scalar_type(), at::kFloat) << one.name;
  }
}

TEST(Bf16TrainerTest, TrainsTheEndOfANetworkOnFeatures) {
  TrainerOptions options = Bf16Options();
  options.trained_parts = {false, false, true, true};
  const auto trainer = MakeTrainer(options);
  // layer1 gives 4 channels of 8 x 8.
  const std::vector<float> row(4 * kSide * kSide, 0.5F);
  TrainingBatch batch;
  batch.features = {row, row, row};
  batch.labels = {0, 1, 2};
  const auto report = trainer->Step({&batch, 1}, Rate(0.1));
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_TRUE(report->is_finite);
  EXPECT_GT(report->gradient_norm, 0);
}

}  // namespace
}  // namespace resnetd
