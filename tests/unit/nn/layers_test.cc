#include "server/nn/layers.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/from_blob.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "server/models/weights.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;

// 1, 2, 3 ... over `count`, alternating in sign: no two values alike.
std::vector<float> Ramp(std::size_t count) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) {
    const float value = static_cast<float>(i + 1) / static_cast<float>(count);
    values[i] = i % 2 == 0 ? value : -value;
  }
  return values;
}

at::Tensor ToTensor(const std::vector<float>& values,
                    const std::vector<std::int64_t>& shape) {
  return at::from_blob(const_cast<float*>(values.data()), shape, at::kFloat)
      .clone();
}

std::vector<std::string> NamesOf(const std::vector<NamedTensor>& state) {
  std::vector<std::string> names;
  names.reserve(state.size());
  for (const NamedTensor& entry : state) {
    names.push_back(entry.name);
  }
  return names;
}

TEST(ConvolutionTest, ComputesTheSumWithStridePaddingAndGroups) {
  // 4 channels in 2 groups to 2 channels, 3x3, stride 2, padding 1, on 5x5.
  const ConvLayer layer{.name = "conv",
                        .in_channels = 4,
                        .out_channels = 2,
                        .kernel = 3,
                        .stride = 2,
                        .padding = 1,
                        .groups = 2};
  const std::vector<float> kernel = Ramp(36);
  const std::vector<float> image = Ramp(100);
  const Weights weights =
      Weights::FromTensors({{"conv.weight", {{2, 2, 3, 3}, kernel}}});
  const at::Tensor output = Convolution(layer, weights, at::kCPU)
                                .Forward(ToTensor(image, {1, 4, 5, 5}));
  ASSERT_EQ(output.sizes(), at::IntArrayRef({1, 2, 3, 3}));
  for (int out = 0; out < 2; ++out) {
    for (int row = 0; row < 3; ++row) {
      for (int column = 0; column < 3; ++column) {
        double sum = 0;
        for (int in = 0; in < 2; ++in) {
          for (int k = 0; k < 9; ++k) {
            const int y = row * 2 - 1 + k / 3;
            const int x = column * 2 - 1 + k % 3;
            if (y >= 0 && y < 5 && x >= 0 && x < 5) {
              const int at_kernel = (out * 2 + in) * 9 + k;
              const int at_image = (out * 2 + in) * 25 + y * 5 + x;
              sum += double{kernel.at(static_cast<std::size_t>(at_kernel))} *
                     double{image.at(static_cast<std::size_t>(at_image))};
            }
          }
        }
        EXPECT_NEAR(output[0][out][row][column].item<float>(), sum, 1e-6);
      }
    }
  }
}

TEST(BatchNormTest, UsesTheRunningStatistics) {
  const Weights weights =
      Weights::FromTensors({{"bn.weight", {{2}, {2, 3}}},
                            {"bn.bias", {{2}, {0.5, -1}}},
                            {"bn.running_mean", {{2}, {1, -2}}},
                            {"bn.running_var", {{2}, {4, 0}}}});
  const BatchNorm norm({.name = "bn", .channels = 2}, weights, at::kCPU);
  const at::Tensor output =
      norm.Forward(ToTensor({5, -2}, {1, 2, 1, 1})).flatten();
  EXPECT_NEAR(output[0].item<float>(), 2 * 4 / std::sqrt(4 + 1e-5) + 0.5, 1e-6);
  // A variance of zero is held up by epsilon.
  EXPECT_NEAR(output[1].item<float>(), -1, 1e-6);
  std::vector<NamedTensor> state;
  norm.AppendTo(state);
  EXPECT_THAT(NamesOf(state), ElementsAre("bn.weight", "bn.bias",
                                          "bn.running_mean", "bn.running_var"));
}

TEST(LinearTest, MultipliesAndAdds) {
  const Weights weights =
      Weights::FromTensors({{"fc.weight", {{2, 3}, {1, 2, 3, 4, 5, 6}}},
                            {"fc.bias", {{2}, {10, 20}}}});
  const Linear linear({.name = "fc", .in_features = 3, .out_features = 2},
                      weights, at::kCPU);
  const at::Tensor output = linear.Forward(ToTensor({1, -1, 2}, {1, 3}));
  EXPECT_FLOAT_EQ(output[0][0].item<float>(), 15);
  EXPECT_FLOAT_EQ(output[0][1].item<float>(), 31);
  std::vector<NamedTensor> state;
  linear.AppendTo(state);
  EXPECT_THAT(NamesOf(state), ElementsAre("fc.weight", "fc.bias"));
}

TEST(LinearTest, KeepsACopyOfTheWeights) {
  auto weights = std::make_unique<Weights>(Weights::FromTensors(
      {{"fc.weight", {{1, 1}, {2}}}, {"fc.bias", {{1}, {0}}}}));
  const Linear linear({.name = "fc", .in_features = 1, .out_features = 1},
                      *weights, at::kCPU);
  const float* source = weights->at("fc.weight").values.data();
  std::vector<NamedTensor> state;
  linear.AppendTo(state);
  EXPECT_NE(state[0].tensor.const_data_ptr<float>(), source);
  weights.reset();
  EXPECT_FLOAT_EQ(linear.Forward(ToTensor({4}, {1, 1})).item<float>(), 8);
}

}  // namespace
}  // namespace resnetd
