#include "server/finetune/network_parts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "server/models/architecture.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;

Network NetworkOf(absl::string_view architecture) {
  return BuildNetwork(FindArchitecture(architecture, 10).value());
}

TEST(NetworkPartsTest, AreTheStemTheStagesAndTheHead) {
  EXPECT_THAT(
      PartNames(NetworkOf("resnet50")),
      ElementsAre("stem", "layer1", "layer2", "layer3", "layer4", "head"));
  EXPECT_THAT(PartNames(NetworkOf("cifar_resnet8_v2")),
              ElementsAre("stem", "layer1", "layer2", "layer3", "head"));
}

TEST(NetworkPartsTest, TakeEveryTensorOnce) {
  for (const char* name : {"resnet18", "resnet50_v2", "cifar_resnet8"}) {
    const Network network = NetworkOf(name);
    std::map<std::size_t, int> tensors;
    for (const TensorSpec& spec : TensorSpecs(network)) {
      ++tensors[PartOf(network, spec.name)];
    }
    const std::size_t parts = PartNames(network).size();
    EXPECT_EQ(tensors.size(), parts) << name;
    EXPECT_EQ(tensors.rbegin()->first, parts - 1) << name;
    EXPECT_EQ(tensors[parts - 1], 2) << name << ": weight and bias of fc";
  }
}

TEST(NetworkPartsTest, KnowTensorsByTheirNames) {
  const Network resnet18 = NetworkOf("resnet18");
  EXPECT_EQ(PartOf(resnet18, "conv1.weight"), 0U);
  EXPECT_EQ(PartOf(resnet18, "bn1.running_var"), 0U);
  EXPECT_EQ(PartOf(resnet18, "layer1.0.conv1.weight"), 1U);
  EXPECT_EQ(PartOf(resnet18, "layer4.0.downsample.1.bias"), 4U);
  EXPECT_EQ(PartOf(resnet18, "fc.bias"), 5U);
  const Network v2 = NetworkOf("resnet18_v2");
  EXPECT_EQ(PartOf(v2, v2.final_norm->name + ".weight"), 4U);
}

TEST(NetworkPartsTest, TellBlockTenFromBlockOne) {
  const Network deep = NetworkOf("cifar_resnet110");
  EXPECT_EQ(PartOf(deep, "layer2.1.conv1.weight"), 2U);
  EXPECT_EQ(PartOf(deep, "layer2.10.conv1.weight"), 2U);
}

}  // namespace
}  // namespace resnetd
