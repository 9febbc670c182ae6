// Gradients against central differences of the loss, in float64.

#include <ATen/core/Tensor.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/unit/nn/training_fixture.h"

namespace resnetd {
namespace {

// The loss, at rates of 0: nothing but running statistics moves.
double LossOf(TorchTrainer& trainer, const TrainingBatch& batch) {
  const auto report = trainer.Step({&batch, 1}, Rate(0));
  EXPECT_TRUE(report.ok()) << report.status();
  return report->loss;
}

void AddTo(const at::Tensor& parameter, std::int64_t index, double value) {
  const c10::NoGradGuard unrecorded;
  // In the order of memory.
  parameter.data_ptr<double>()[index] += value;
}

// Of a few values of every parameter, in units of the largest difference.
double LargestError(TorchTrainer& trainer, const TrainingBatch& batch) {
  constexpr double kStep = 1e-5;
  const auto gradients = trainer.Gradients({&batch, 1});
  EXPECT_TRUE(gradients.ok()) << gradients.status();
  double error = 0;
  double scale = 0;
  for (const NamedTensor& entry : trainer.NetworkState()) {
    const auto gradient = std::find_if(
        gradients->begin(), gradients->end(),
        [&](const NamedTensor& other) { return other.name == entry.name; });
    if (gradient == gradients->end()) {
      EXPECT_TRUE(IsStatistic(entry.name)) << entry.name;
      continue;
    }
    const std::int64_t values = entry.tensor.numel();
    for (std::int64_t i = 0; i < values;
         i += std::max<std::int64_t>(values / 2, 1)) {
      AddTo(entry.tensor, i, kStep);
      const double above = LossOf(trainer, batch);
      AddTo(entry.tensor, i, -2 * kStep);
      const double below = LossOf(trainer, batch);
      AddTo(entry.tensor, i, kStep);
      const double expected = (above - below) / (2 * kStep);
      const double actual = gradient->tensor.const_data_ptr<double>()[i];
      scale = std::fmax(scale, std::fabs(expected));
      error = std::fmax(error, std::fabs(actual - expected));
    }
  }
  return error / scale;
}

TEST(TorchTrainerDifferencesTest, GradientsAreTheDerivativesOfTheLoss) {
  TrainerOptions rich = PlainOptions();
  rich.label_smoothing = 0.1;
  rich.class_weights = {1, 2, 0.5, 3};
  rich.stochastic_depth = 0.5;
  TrainerOptions frozen = PlainOptions();
  frozen.norms = NormStatistics::kFreeze;
  FilledBatch batch(0, 6);
  batch.batch().partners = {1, 2, 3, 4, 5, 0};
  batch.batch().mix = 0.6;
  for (const TrainerOptions& options : {PlainOptions(), rich, frozen}) {
    for (const BlockVersion version : {BlockVersion::kV1, BlockVersion::kV2}) {
      const auto trainer =
          MakeTrainer(options, at::kDouble, SmallNetwork(version));
      EXPECT_LT(LargestError(*trainer, batch.batch()), 1e-7);
    }
  }
}

}  // namespace
}  // namespace resnetd
