#include "server/engine/quantisation.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "server/engine/calibration.h"
#include "server/engine/program.h"
#include "tests/support/filled_package.h"

namespace resnetd {
namespace {

Step Convolution(int in, int out) {
  Step step;
  step.input = 1;
  step.conv = {.name = "c", .in_channels = in, .out_channels = out};
  return step;
}

TEST(QuantisationTest, EachFilterHasItsOwnScaleAndRoundsToEven) {
  const QuantisedStep quantised = QuantiseStep(
      Convolution(4, 2),
      {.weights = {127, -63.5F, 0.5F, 1.5F, 0.127F, -0.0635F, 0, 0.0254F},
       .bias = {3, -1}},
      {.input = {.scale = 0.5F}, .output = {.scale = 0.25F}}, {});
  EXPECT_EQ(quantised.weights,
            (std::vector<std::int8_t>{127, -64, 0, 2, 127, -63, 0, 25}));
  EXPECT_FLOAT_EQ(quantised.rescale[0], 1 * 0.5F / 0.25F);
  EXPECT_FLOAT_EQ(quantised.rescale[1], 0.001F * 0.5F / 0.25F);
  EXPECT_EQ(quantised.bias, (std::vector<float>{12, -4}));
}

TEST(QuantisationTest, NeighboursNeverAddUpToMoreThan16BitsHold) {
  // Two filters of 1 x 1 over five channels: a pair of one sign beyond the
  // largest, a pair of different signs; the last channel is alone.
  const QuantisedStep quantised =
      QuantiseStep(Convolution(5, 2),
                   {.weights = {100, 27, 1, -1, 90,  //
                                100, -90, 0, 27, -127},
                    .bias = {0, 0}},
                   {}, {}, ProductSums::kPairsIn16Bits);
  EXPECT_EQ(quantised.weights,
            (std::vector<std::int8_t>{100, 27, 1, -1, 90,  //
                                      100, -90, 0, 27, -127}));
  const QuantisedStep narrow =
      QuantiseStep(Convolution(2, 1), {.weights = {-127, -127}, .bias = {0}},
                   {}, {}, ProductSums::kPairsIn16Bits);
  EXPECT_EQ(narrow.weights, (std::vector<std::int8_t>{-64, -64}));
  EXPECT_FLOAT_EQ(narrow.rescale[0], 2);
}

TEST(QuantisationTest, NeighboursAreThoseAtTheSamePlaceOfTheWindow) {
  Step step = Convolution(2, 1);
  step.conv.kernel = 2;
  // By channel: the second of the first beside the second of the second.
  const std::vector<float> weights = {127, 60, 1, 0, 0, 60, 127, 1};
  const QuantisedStep same = QuantiseStep(step, {.weights = weights}, {}, {},
                                          ProductSums::kPairsIn16Bits);
  // The third of each: 1 + 127.
  EXPECT_FLOAT_EQ(same.rescale[0], 128.0F / 127);
}

// Written as it is explained.
std::vector<std::int8_t> PlainLevels(const std::vector<float>& filter,
                                     std::size_t pixels) {
  const std::size_t channels = filter.size() / pixels;
  double largest = 0;
  for (std::size_t i = 0; i < filter.size(); ++i) {
    const double weight = double{filter[i]};
    largest = std::max(largest, std::fabs(weight));
    const std::size_t channel = i / pixels;
    if (channel % 2 == 0 && channel + 1 < channels) {
      const double next = double{filter[i + pixels]};
      if ((weight < 0) == (next < 0)) {
        largest = std::max(largest, std::fabs(weight) + std::fabs(next));
      }
    }
  }
  std::vector<std::int8_t> levels;
  for (const float weight : filter) {
    levels.push_back(static_cast<std::int8_t>(
        std::nearbyint(double{weight} / (largest / 127))));
  }
  return levels;
}

TEST(QuantisationTest, FiltersOfEverySizeAreWhatAPlainEvaluationSays) {
  std::mt19937 random(8);
  std::normal_distribution<float> weights;
  for (const int kernel : {1, 3}) {
    for (int channels = 1; channels <= 19; ++channels) {
      Step step = Convolution(channels, 1);
      step.conv.kernel = kernel;
      const auto pixels = static_cast<std::size_t>(kernel * kernel);
      std::vector<float> filter(static_cast<std::size_t>(channels) * pixels);
      // Each weight once by far the largest: it must be seen wherever it lies.
      for (std::size_t place = 0; place < filter.size(); ++place) {
        for (float& weight : filter) {
          weight = weights(random);
        }
        filter[place] *= 100;
        EXPECT_EQ(QuantiseStep(step, {.weights = filter}, {}, {},
                               ProductSums::kPairsIn16Bits)
                      .weights,
                  PlainLevels(filter, pixels))
            << kernel << " " << channels << " " << place;
      }
    }
  }
}

TEST(QuantisationTest, AFilterOfZerosKeepsItsBias) {
  const QuantisedStep quantised =
      QuantiseStep(Convolution(2, 1), {.weights = {0, 0}, .bias = {5}},
                   {.input = {.scale = 2}, .output = {.scale = 0.5F}}, {});
  EXPECT_EQ(quantised.weights, (std::vector<std::int8_t>{0, 0}));
  EXPECT_GT(quantised.rescale[0], 0);
  EXPECT_EQ(quantised.bias[0], 10);
}

TEST(QuantisationTest, WithoutABiasTheBiasIsZero) {
  EXPECT_EQ(QuantiseStep(Convolution(1, 1), {.weights = {1}}, {}, {}).bias,
            std::vector<float>{0});
}

TEST(QuantisationTest, TheFirstConvolutionTakesBytes) {
  Step stem = Convolution(3, 1);
  stem.input = 0;
  PreprocessSpec preprocess;
  preprocess.mean = {0.5F, 0.25F, 0};
  preprocess.std = {0.5F, 0.25F, 1};
  // (byte / 255 - mean) / std with weights 1, 2, 1.
  const QuantisedStep quantised = QuantiseStep(
      stem, {.weights = {1, 2, 1}, .bias = {0.75F}}, {}, preprocess);
  EXPECT_EQ(quantised.weights, (std::vector<std::int8_t>{32, 127, 16}));
  const double scale = 8.0 / 255 / 127;
  EXPECT_FLOAT_EQ(quantised.rescale[0], static_cast<float>(scale));
  EXPECT_NEAR(quantised.bias[0], 0.75 - scale * (32 * 127.5 + 127 * 63.75),
              1e-5);
  EXPECT_EQ(PaddingBytes(preprocess),
            (std::array<std::uint8_t, 3>{128, 64, 0}));
}

TEST(QuantisationTest, LevelsFollowTheSignsOfTheNetwork) {
  const Program program =
      BuildProgram(FilledPackage("cifar_resnet8", 10, 8).network, 8);
  ASSERT_TRUE(CanQuantise(program));
  Calibration calibration;
  double range = 1;
  for (const Step& step : program.steps) {
    if (!StepName(step).empty()) {
      calibration.ranges[StepName(step)] = range++;
    }
  }
  const std::vector<StepLevels> levels = LevelsOf(program, calibration);
  ASSERT_EQ(levels.size(), program.steps.size());
  EXPECT_EQ(levels[0].input, (Levels{.scale = 1, .is_signed = false}));
  for (std::size_t i = 0; i < levels.size(); ++i) {
    const Step& step = program.steps[i];
    if (step.kind == StepKind::kConvolution) {
      const double wanted = calibration.ranges[step.conv.name];
      EXPECT_EQ(levels[i].output.is_signed, !step.relu) << step.conv.name;
      EXPECT_FLOAT_EQ(levels[i].output.scale,
                      static_cast<float>(wanted / (step.relu ? 255 : 127)));
      EXPECT_FALSE(levels[i].input.is_signed);
    }
    // Whatever a step reads is what the last one wrote there.
    for (std::size_t before = i; before-- > 0;) {
      if (program.steps[before].output == step.input) {
        EXPECT_EQ(levels[i].input, levels[before].output);
        break;
      }
    }
  }
}

TEST(QuantisationTest, PreActivationNetworksHaveNoLevels) {
  EXPECT_FALSE(CanQuantise(
      BuildProgram(FilledPackage("cifar_resnet8_v2", 10, 8).network, 8)));
}

}  // namespace
}  // namespace resnetd
