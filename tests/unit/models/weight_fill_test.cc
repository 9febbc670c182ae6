#include "server/models/weight_fill.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/image/pixels.h"
#include "server/models/architecture.h"
#include "server/models/weights.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;

// Expected values: numpy float32, following the header's page.

TEST(WeightFillTest, EqualsTheFormulaBitForBit) {
  const absl::StatusOr<Architecture> architecture =
      FindArchitecture("resnet18", 1000);
  ASSERT_TRUE(architecture.ok());
  const Weights weights = FillWeights(BuildNetwork(*architecture));

  const Tensor& conv = weights.at("conv1.weight");
  EXPECT_THAT(conv.shape, ElementsAre(64, 3, 7, 7));
  EXPECT_EQ(conv.values.at(0), 0x1.2a66f8p-6F);
  EXPECT_EQ(conv.values.at(1), 0x1.95c03ep-4F);
  EXPECT_EQ(conv.values.at(9407), -0x1.f0f27cp-4F);

  const Tensor& fc = weights.at("fc.weight");
  EXPECT_THAT(fc.shape, ElementsAre(1000, 512));
  EXPECT_EQ(fc.values.at(0), -0x1.63c3b4p-10F);
  EXPECT_EQ(fc.values.at(511'999), -0x1.683510p-6F);
  EXPECT_EQ(weights.at("fc.bias").values.at(0), -0x1.24edcep-8F);
  EXPECT_EQ(weights.at("fc.bias").values.at(999), -0x1.13681ap-5F);

  EXPECT_EQ(weights.at("bn1.weight").values.at(0), 0x1.1c3654p-1F);
  EXPECT_EQ(weights.at("bn1.weight").values.at(63), 0x1.3c0902p-1F);
  EXPECT_EQ(weights.at("bn1.bias").values.at(0), -0x1.0c8970p-4F);
  EXPECT_EQ(weights.at("bn1.bias").values.at(63), -0x1.e3240ep-6F);
  EXPECT_EQ(weights.at("bn1.running_mean").values.at(0), 0x1.801f6ep-5F);
  EXPECT_EQ(weights.at("bn1.running_mean").values.at(63), -0x1.24f26ap-4F);
  EXPECT_EQ(weights.at("bn1.running_var").values.at(0), 0x1.246e44p+0F);
  EXPECT_EQ(weights.at("bn1.running_var").values.at(63), 0x1.419b9cp+0F);
}

TEST(WeightFillTest, PicturesEqualTheFormula) {
  const Pixels picture = FillPicture(2, 2);
  EXPECT_EQ(picture.width, 2);
  EXPECT_EQ(picture.height, 2);
  ASSERT_EQ(picture.rgb.size(), 12U);
  EXPECT_EQ(picture.rgb[0], 106);
  EXPECT_EQ(picture.rgb[1], 133);
  EXPECT_EQ(picture.rgb[2], 206);
  EXPECT_EQ(picture.rgb[5], 110);
}

TEST(WeightFillTest, PicturesOfDifferentNumbersDiffer) {
  const Pixels picture = FillPicture(2, 2, 1);
  EXPECT_EQ(picture.rgb[0], 253);
  EXPECT_EQ(picture.rgb[1], 31);
  EXPECT_EQ(picture.rgb[2], 219);
  EXPECT_EQ(picture.rgb[11], 125);
}

}  // namespace
}  // namespace resnetd
