#include "server/nn/lab/lab_network.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <set>
#include <string>

namespace resnetd {
namespace {

constexpr int kClasses = 10;

std::set<std::string> NamesOf(const Network& network) {
  std::set<std::string> names;
  for (const TensorSpec& spec : TensorSpecs(network)) {
    names.insert(spec.name);
  }
  return names;
}

TEST(LabNetworkTest, IsTheKnownNetworkOfAsManyLayers) {
  const Network known =
      BuildNetwork(FindArchitecture("cifar_resnet20", kClasses).value());
  const LabSpec spec{.stage_blocks = 3};
  const Network made = LabNetwork(spec, kClasses);
  EXPECT_EQ(LayersOf(spec), 20);
  EXPECT_EQ(NamesOf(made), NamesOf(known));
  EXPECT_EQ(ParameterCount(made), ParameterCount(known));
}

TEST(LabNetworkTest, ATwinHasTheSameParametersButThoseOfProjections) {
  const Network network = LabNetwork({.stage_blocks = 2}, kClasses);
  const Network twin =
      LabNetwork({.stage_blocks = 2, .has_shortcuts = false}, kClasses);
  std::int64_t projections = 0;
  for (const ResidualBlock& block : network.blocks) {
    if (block.shortcut) {
      const ConvLayer& conv = block.shortcut->conv;
      projections += conv.in_channels * conv.out_channels;
      projections += 2 * conv.out_channels;
    }
  }
  EXPECT_GT(projections, 0);
  EXPECT_EQ(ParameterCount(twin), ParameterCount(network) - projections);
}

TEST(LabNetworkTest, WithoutNormsThereAreConvolutionsAndTheHead) {
  const Network bare = LabNetwork({.has_norms = false}, kClasses);
  for (const std::string& name : NamesOf(bare)) {
    EXPECT_EQ(name.find("bn"), std::string::npos) << name;
  }
  EXPECT_EQ(NamesOf(bare).size(), 1U + 6U + 2U + 2U);
}

TEST(LabWeightsTest, TheGainIsOfConvolutionsAlone) {
  const LabSpec usual;
  const Network network = LabNetwork(usual, kClasses);
  const Weights one = LabWeights(usual, network);
  const Weights two = LabWeights({.gain = 2}, network);
  EXPECT_EQ(two.at("conv1.weight").values[5],
            2 * one.at("conv1.weight").values[5]);
  EXPECT_EQ(two.at("bn1.weight").values, one.at("bn1.weight").values);
  EXPECT_EQ(two.at("fc.weight").values, one.at("fc.weight").values);
  const Weights other = LabWeights({.seed = 1}, network);
  EXPECT_NE(other.at("conv1.weight").values, one.at("conv1.weight").values);
}

TEST(DeepenedTest, KeepsWhatThereWasAndAddsBlocksWithThatScale) {
  const LabSpec spec{.stage_blocks = 1};
  const Network network = LabNetwork(spec, kClasses);
  const Weights weights = LabWeights(spec, network);
  const DeepenedNetwork deeper = Deepened(spec, network, weights, 2, 0.5F);
  ASSERT_EQ(deeper.network.blocks.size(), 9U);
  EXPECT_EQ(deeper.weights.at("layer2.0.conv1.weight").values,
            weights.at("layer2.0.conv1.weight").values);
  EXPECT_EQ(deeper.weights.at("layer2.0.bn2.weight").values.front(), 1);
  EXPECT_EQ(deeper.weights.at("layer2.2.bn2.weight").values.front(), 0.5F);
  EXPECT_NE(deeper.weights.at("layer2.2.conv1.weight").values.front(), 0);
  EXPECT_EQ(Deepened(spec, network, weights, 0, 0).network.blocks.size(), 3U);
}

}  // namespace
}  // namespace resnetd
