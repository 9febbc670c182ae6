#include "server/models/feature_extractor.h"

#include <string>

#include "gtest/gtest.h"

namespace resnetd {
namespace {

Network NetworkOf(const std::string& name) {
  return BuildNetwork(FindArchitecture(name, 10).value());
}

// torchvision's activations of one picture.
TEST(FeatureExtractorTest, KnowsTheShapesOfTorchvision) {
  const Network network = NetworkOf("resnet50");
  EXPECT_EQ(StageCount(network), 4);
  EXPECT_EQ(ShapeOfFeatures(network, 224, 0), (FeatureShape{64, 56, 56}));
  EXPECT_EQ(ShapeOfFeatures(network, 224, 1), (FeatureShape{256, 56, 56}));
  EXPECT_EQ(ShapeOfFeatures(network, 224, 2), (FeatureShape{512, 28, 28}));
  EXPECT_EQ(ShapeOfFeatures(network, 224, 3), (FeatureShape{1024, 14, 14}));
  EXPECT_EQ(ShapeOfFeatures(network, 224, 4), (FeatureShape{2048, 1, 1}));
  EXPECT_EQ(ShapeOfFeatures(network, 224, 3).values(), 200'704U);
}

TEST(FeatureExtractorTest, KnowsTheShapesOfOtherStemsBlocksAndSides) {
  const Network cifar = NetworkOf("cifar_resnet8_v2");
  EXPECT_EQ(StageCount(cifar), 3);
  EXPECT_EQ(ShapeOfFeatures(cifar, 9, 0), (FeatureShape{16, 9, 9}));
  EXPECT_EQ(ShapeOfFeatures(cifar, 9, 2), (FeatureShape{32, 5, 5}));
  EXPECT_EQ(ShapeOfFeatures(cifar, 9, 3), (FeatureShape{64, 1, 1}));
  EXPECT_EQ(ShapeOfFeatures(NetworkOf("resnet18"), 65, 1),
            (FeatureShape{64, 17, 17}));
}

}  // namespace
}  // namespace resnetd
