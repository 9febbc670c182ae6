#include "server/engine/linear.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <random>
#include <vector>

namespace resnetd {
namespace {

std::vector<float> Values(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> value(-1, 1);
  std::vector<float> values(count);
  for (float& one : values) {
    one = value(random);
  }
  return values;
}

class ApplyLinearTest : public testing::TestWithParam<std::size_t> {};

// Fewer features than lanes, as many, and what is left over.
INSTANTIATE_TEST_SUITE_P(Features, ApplyLinearTest,
                         testing::Values(1, 15, 16, 17, 64, 100, 512));

TEST_P(ApplyLinearTest, IsThePlainSumOfProducts) {
  const LinearShape shape = {
      .batch = 3, .in_features = GetParam(), .out_features = 7};
  const std::vector<float> weights =
      Values(shape.out_features * shape.in_features, 1);
  const std::vector<float> bias = Values(shape.out_features, 2);
  const std::vector<float> source = Values(shape.batch * shape.in_features, 3);
  std::vector<float> found(shape.batch * shape.out_features);
  ApplyLinear(shape, weights.data(), bias.data(), source.data(), found.data());
  for (std::size_t b = 0; b < shape.batch; ++b) {
    for (std::size_t o = 0; o < shape.out_features; ++o) {
      double expected = bias[o];
      for (std::size_t i = 0; i < shape.in_features; ++i) {
        expected += static_cast<double>(weights[o * shape.in_features + i]) *
                    source[b * shape.in_features + i];
      }
      EXPECT_NEAR(found[b * shape.out_features + o], expected, 1e-5);
    }
  }
}

TEST_P(ApplyLinearTest, ARowHasTheSameBitsInEveryBatch) {
  constexpr std::size_t kOutputs = 9;
  const std::size_t features = GetParam();
  const std::vector<float> weights = Values(kOutputs * features, 1);
  const std::vector<float> bias = Values(kOutputs, 2);
  const std::vector<float> source = Values(8 * features, 3);
  std::vector<float> all(8 * kOutputs);
  ApplyLinear({.batch = 8, .in_features = features, .out_features = kOutputs},
              weights.data(), bias.data(), source.data(), all.data());
  for (std::size_t b = 0; b < 8; ++b) {
    std::vector<float> alone(kOutputs);
    ApplyLinear({.batch = 1, .in_features = features, .out_features = kOutputs},
                weights.data(), bias.data(), source.data() + b * features,
                alone.data());
    for (std::size_t o = 0; o < kOutputs; ++o) {
      EXPECT_EQ(alone[o], all[b * kOutputs + o]);
    }
  }
}

}  // namespace
}  // namespace resnetd
