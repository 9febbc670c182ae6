#include "server/nn/torch_residual_block.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/full.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "server/models/architecture.h"
#include "server/models/weights.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;

// Blocks of one channel and 1x1 convolutions, small enough for the head: each
// convolution is one factor, each norm changes nothing (variance + epsilon is
// 1) unless a test shifts it.
class ScalarBlock {
 public:
  ScalarBlock(BlockVersion version, std::vector<float> factors)
      : version_(version) {
    block_.name = "b";
    for (std::size_t i = 0; i < factors.size(); ++i) {
      block_.main_path.push_back(
          Unit(absl::StrCat("b.conv", i + 1), factors[i]));
      block_.main_path.back().norm = Norm(absl::StrCat("b.bn", i + 1));
    }
  }

  ScalarBlock& Shortcut(float factor) {
    block_.shortcut = Unit("b.downsample.0", factor);
    if (version_ == BlockVersion::kV1) {
      block_.shortcut->norm = Norm("b.downsample.1");
    }
    return *this;
  }

  ScalarBlock& Shift(const std::string& norm, float bias) {
    tensors_[norm + ".bias"].values[0] = bias;
    return *this;
  }

  TorchResidualBlock Make() const {
    return {block_, version_, Weights::FromTensors(tensors_), at::kCPU};
  }

  float operator()(float input) const {
    const at::Tensor x = at::full({1, 1, 1, 1}, input);
    const float output = Make().Forward(x).item<float>();
    // The shortcut still needs it: nothing may be computed in its place.
    EXPECT_EQ(x.item<float>(), input);
    return output;
  }

 private:
  ConvUnit Unit(const std::string& name, float factor) {
    tensors_[name + ".weight"] = {{1, 1, 1, 1}, {factor}};
    return {ConvLayer{.name = name, .in_channels = 1, .out_channels = 1},
            std::nullopt};
  }

  BatchNormLayer Norm(const std::string& name) {
    tensors_[name + ".weight"] = {{1}, {1}};
    tensors_[name + ".bias"] = {{1}, {0}};
    tensors_[name + ".running_mean"] = {{1}, {0}};
    tensors_[name + ".running_var"] = {{1}, {1 - 1e-5F}};
    return {name, 1};
  }

  BlockVersion version_;
  ResidualBlock block_;
  absl::flat_hash_map<std::string, Tensor> tensors_;
};

constexpr float kTolerance = 1e-5F;

TEST(TorchResidualBlockTest, V1AddsTheInputAndThenActivates) {
  const ScalarBlock block(BlockVersion::kV1, {2, 0.5});
  EXPECT_NEAR(block(3), 0.5 * (2 * 3) + 3, kTolerance);
  // The main path dies in its ReLU, the sum in the last one.
  EXPECT_NEAR(block(-1), 0, kTolerance);
}

TEST(TorchResidualBlockTest, V1DoesNotActivateBeforeTheSum) {
  // Main path -6, shortcut 10: a ReLU on the path would give 10.
  const ScalarBlock block(BlockVersion::kV1, {2, -0.3F});
  EXPECT_NEAR(block(10), -0.3 * 20 + 10, kTolerance);
}

TEST(TorchResidualBlockTest, V1AddsTheProjectedInput) {
  ScalarBlock block(BlockVersion::kV1, {2, 0.5});
  block.Shortcut(10).Shift("b.downsample.1", 1);
  EXPECT_NEAR(block(3), 3 + (30 + 1), kTolerance);
}

TEST(TorchResidualBlockTest, V1NormalisesBehindTheConvolution) {
  ScalarBlock block(BlockVersion::kV1, {2, 0.5});
  block.Shift("b.bn1", 1);
  EXPECT_NEAR(block(3), 0.5 * (2 * 3 + 1) + 3, kTolerance);
}

TEST(TorchResidualBlockTest, V2PassesTheInputByUntouched) {
  const ScalarBlock block(BlockVersion::kV2, {2, 0.5});
  EXPECT_NEAR(block(3), 0.5 * (2 * 3) + 3, kTolerance);
  EXPECT_NEAR(block(-1), -1, kTolerance);
}

TEST(TorchResidualBlockTest, V2ProjectsTheActivatedInput) {
  ScalarBlock block(BlockVersion::kV2, {2, 0.5});
  block.Shortcut(10);
  EXPECT_NEAR(block(3), 3 + 30, kTolerance);
  EXPECT_NEAR(block(-1), 0, kTolerance);
}

TEST(TorchResidualBlockTest, V2NormalisesBeforeTheConvolution) {
  ScalarBlock block(BlockVersion::kV2, {2, 0.5});
  block.Shift("b.bn1", 1);
  EXPECT_NEAR(block(3), 0.5 * (2 * (3 + 1)) + 3, kTolerance);
}

TEST(TorchResidualBlockTest, RunsAPathOfThreeUnits) {
  EXPECT_NEAR(ScalarBlock(BlockVersion::kV1, {2, 3, 0.5})(3),
              0.5 * 3 * 2 * 3 + 3, kTolerance);
  EXPECT_NEAR(ScalarBlock(BlockVersion::kV2, {2, 3, 0.5})(3),
              0.5 * 3 * 2 * 3 + 3, kTolerance);
}

std::vector<std::string> NamesOf(const ScalarBlock& block) {
  std::vector<NamedTensor> state;
  block.Make().AppendTo(state);
  std::vector<std::string> names;
  for (const NamedTensor& entry : state) {
    if (entry.tensor.dim() == 4 ||
        entry.name.find("running_mean") != std::string::npos) {
      names.push_back(entry.name);
    }
  }
  return names;
}

TEST(TorchResidualBlockTest, ListsItsTensorsInTheOrderOfTheVersion) {
  EXPECT_THAT(
      NamesOf(ScalarBlock(BlockVersion::kV1, {1, 1}).Shortcut(1)),
      ElementsAre("b.conv1.weight", "b.bn1.running_mean", "b.conv2.weight",
                  "b.bn2.running_mean", "b.downsample.0.weight",
                  "b.downsample.1.running_mean"));
  EXPECT_THAT(
      NamesOf(ScalarBlock(BlockVersion::kV2, {1, 1}).Shortcut(1)),
      ElementsAre("b.bn1.running_mean", "b.conv1.weight", "b.bn2.running_mean",
                  "b.conv2.weight", "b.downsample.0.weight"));
}

}  // namespace
}  // namespace resnetd
