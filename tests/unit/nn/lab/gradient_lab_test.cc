#include "server/nn/lab/gradient_lab.h"

#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <limits>
#include <memory>
#include <vector>

#include "tests/unit/nn/training_fixture.h"

namespace resnetd {
namespace {

GradientLab LabOf(const LabSpec& spec, at::ScalarType type = at::kDouble) {
  const Network network = LabNetwork(spec, kClasses);
  return GradientLab(spec, network, LabWeights(spec, network), SmallPictures(),
                     {}, type);
}

TEST(GradientLabTest, TrainsAsATrainerDoesBitForBit) {
  const LabSpec spec;
  const Network network = LabNetwork(spec, kClasses);
  GradientLab lab = LabOf(spec);
  TrainerOptions options;
  options.trained_parts = {true, true, true, true, true};
  const auto trainer =
      TorchTrainer::Create(options, network, LabWeights(spec, network),
                           SmallPictures(), at::kCPU, at::kDouble)
          .value();
  for (int step = 1; step <= 3; ++step) {
    FilledBatch batch(10 * step, 6);
    StepSettings settings{.rates = {0.1, 0.1, 0.1, 0.1, 0.1}};
    settings.observe = Observation{.step = step};
    const StepReport expected =
        trainer->Step({&batch.batch(), 1}, settings).value();
    const LabStep actual = lab.Step(batch.batch(), 0.1);
    EXPECT_EQ(actual.loss, expected.loss);
    EXPECT_EQ(actual.sample, *expected.sample);
  }
  const std::vector<NamedTensor> left = lab.State();
  const std::vector<NamedTensor> right = trainer->NetworkState();
  ASSERT_EQ(left.size(), right.size());
  for (std::size_t i = 0; i < left.size(); ++i) {
    EXPECT_TRUE(left[i].tensor.equal(right[i].tensor)) << left[i].name;
  }
}

TEST(GradientLabTest, LookingChangesNothing) {
  for (const bool has_shortcuts : {true, false}) {
    const LabSpec spec{.has_shortcuts = has_shortcuts};
    GradientLab lab = LabOf(spec);
    GradientLab untouched = LabOf(spec);
    FilledBatch batch(0, 6);
    lab.Look(batch.batch());
    lab.NoiseByDepth(std::vector<TrainingBatch>(2, batch.batch()));
    lab.GradientOf("fc.bias", batch.batch());
    EXPECT_EQ(lab.Train(batch.batch(), 0.1).loss,
              untouched.Train(batch.batch(), 0.1).loss);
    const std::vector<NamedTensor> left = lab.State();
    const std::vector<NamedTensor> right = untouched.State();
    for (std::size_t i = 0; i < left.size(); ++i) {
      EXPECT_TRUE(left[i].tensor.equal(right[i].tensor)) << left[i].name;
    }
  }
}

TEST(GradientLabTest, OfATwinEverythingComesByTheMainPath) {
  GradientLab lab = LabOf({.stage_blocks = 2, .has_shortcuts = false});
  FilledBatch batch(0, 6);
  const GradientSample sample = lab.Look(batch.batch()).sample;
  ASSERT_EQ(sample.blocks.size(), 6U);
  for (const BlockSample& block : sample.blocks) {
    EXPECT_EQ(block.paths->shortcut, 0);
    EXPECT_GT(block.paths->main, 0);
    EXPECT_EQ(block.paths->main, block.paths->input);
    EXPECT_FALSE(block.residual_ratio.has_value());
  }
}

TEST(GradientLabTest, TheNoiseOfTwiceTheSameBatchIsNone) {
  GradientLab lab = LabOf({});
  FilledBatch batch(0, 6);
  const std::vector<GradientNoise> noise =
      lab.NoiseByDepth(std::vector<TrainingBatch>(2, batch.batch()));
  ASSERT_EQ(noise.size(), 4U);
  const at::Tensor stem =
      lab.GradientOf("conv1.weight", batch.batch()).to(at::kDouble);
  for (const GradientNoise& place : noise) {
    EXPECT_GT(place.signal, 0);
    EXPECT_NEAR(place.noise / place.signal, 0, 1e-9);
  }
  EXPECT_GE(noise.front().signal,
            std::pow(stem.norm().item<double>(), 2) * (1 - 1e-9));
}

TEST(GradientLabTest, AStepThatIsNotFiniteChangesNoParameter) {
  const LabSpec spec{.has_norms = false};
  const Network network = LabNetwork(spec, kClasses);
  GradientLab lab = LabOf(spec, at::kFloat);
  const std::vector<NamedTensor> state = lab.State();
  state.front().tensor.detach().fill_(std::numeric_limits<float>::infinity());
  const at::Tensor before = state.back().tensor.detach().clone();
  FilledBatch batch(0, 6);
  EXPECT_FALSE(lab.Train(batch.batch(), 0.1).is_finite);
  EXPECT_TRUE(lab.State().back().tensor.equal(before));
}

TEST(GradientLabTest, ExportsWhatItAnswersWith) {
  const LabSpec spec;
  GradientLab lab = LabOf(spec, at::kFloat);
  FilledBatch batch(0, 6);
  lab.Train(batch.batch(), 0.1);
  GradientLab copy(spec, LabNetwork(spec, kClasses), lab.ExportWeights(),
                   SmallPictures(), {}, at::kFloat);
  EXPECT_TRUE(copy.Logits(batch.batch().pictures)
                  .equal(lab.Logits(batch.batch().pictures)));
  EXPECT_FALSE(lab.Logits(batch.batch().pictures, true)
                   .equal(lab.Logits(batch.batch().pictures)));
}

}  // namespace
}  // namespace resnetd
