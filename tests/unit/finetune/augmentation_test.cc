#include "server/finetune/augmentation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <vector>

namespace resnetd {
namespace {

AugmentationSettings AllOn() {
  return {.least_scale = 0.3,
          .most_ratio = 4.0 / 3.0,
          .flip = 0.5,
          .brightness = 0.2,
          .contrast = 0.3,
          .saturation = 0.4};
}

DrawPlace PlaceOf(std::int64_t step, std::uint32_t index = 0) {
  return {.seed = 5, .step = step, .index = index};
}

TEST(DrawAugmentationTest, DrawsNothingWhenAllIsOff) {
  EXPECT_TRUE(VariesNothing({}));
  EXPECT_FALSE(VariesNothing(AllOn()));
  const AugmentDraw draw = DrawAugmentation({}, 60, 40, PlaceOf(3));
  EXPECT_FALSE(draw.crop.has_value());
  EXPECT_FALSE(draw.flip);
  EXPECT_EQ(draw.brightness, 1);
  EXPECT_EQ(draw.contrast, 1);
  EXPECT_EQ(draw.saturation, 1);
}

TEST(DrawAugmentationTest, StaysWithinThePictureTheScaleAndTheRatio) {
  for (const auto& [width, height] : std::vector<std::pair<int, int>>{
           {60, 40}, {1, 1}, {8, 8}, {500, 3}, {3, 500}, {224, 224}}) {
    for (int step = 0; step < 300; ++step) {
      const CropBox box =
          DrawAugmentation(AllOn(), width, height, PlaceOf(step)).crop.value();
      ASSERT_GE(box.left, 0);
      ASSERT_GE(box.top, 0);
      ASSERT_GE(box.width, 1);
      ASSERT_GE(box.height, 1);
      ASSERT_LE(box.left + box.width, width);
      ASSERT_LE(box.top + box.height, height);
      if (width == 224) {
        const double area = static_cast<double>(box.width) * box.height;
        // Sides are rounded.
        ASSERT_GE(area, 0.3 * 224 * 224 - 150);
        ASSERT_LE(box.width / static_cast<double>(box.height), 4.0 / 3 + 0.02);
        ASSERT_GE(box.width / static_cast<double>(box.height), 0.75 - 0.02);
      }
    }
  }
}

TEST(DrawAugmentationTest, ReachesEveryPlaceFlipFactorAndOrder) {
  std::set<std::vector<ColourStep>> orders;
  int flips = 0;
  double least = 2;
  double most = 0;
  std::set<int> lefts;
  for (int step = 0; step < 1000; ++step) {
    const AugmentDraw draw = DrawAugmentation(AllOn(), 40, 40, PlaceOf(step));
    orders.insert({draw.order.begin(), draw.order.end()});
    flips += draw.flip ? 1 : 0;
    least = std::min(least, draw.brightness);
    most = std::max(most, draw.brightness);
    lefts.insert(draw.crop->left);
    ASSERT_TRUE(draw.contrast >= 0.7 && draw.contrast <= 1.3);
    ASSERT_TRUE(draw.saturation >= 0.6 && draw.saturation <= 1.4);
  }
  EXPECT_EQ(orders.size(), 6U);
  EXPECT_NEAR(flips, 500, 60);
  EXPECT_GE(least, 0.8);
  EXPECT_LT(least, 0.81);
  EXPECT_LE(most, 1.2);
  EXPECT_GT(most, 1.19);
  EXPECT_GT(lefts.size(), 10U);
}

TEST(DrawAugmentationTest, FlipsNeverAndAlways) {
  AugmentationSettings settings;
  for (int step = 0; step < 50; ++step) {
    settings.flip = 0;
    EXPECT_FALSE(DrawAugmentation(settings, 9, 9, PlaceOf(step)).flip);
    settings.flip = 1;
    EXPECT_TRUE(DrawAugmentation(settings, 9, 9, PlaceOf(step)).flip);
  }
}

TEST(DrawAugmentationTest, FollowsFromItsPlace) {
  const AugmentDraw one = DrawAugmentation(AllOn(), 90, 80, PlaceOf(3, 4));
  const AugmentDraw same = DrawAugmentation(AllOn(), 90, 80, PlaceOf(3, 4));
  EXPECT_EQ(one.crop, same.crop);
  EXPECT_EQ(one.contrast, same.contrast);
  EXPECT_EQ(one.order, same.order);
  EXPECT_NE(one.contrast,
            DrawAugmentation(AllOn(), 90, 80, PlaceOf(4, 4)).contrast);
  EXPECT_NE(one.contrast,
            DrawAugmentation(AllOn(), 90, 80, PlaceOf(3, 5)).contrast);
}

// torchvision's fallback, worked out by hand.
TEST(MiddleCropTest, IsTheLargestOneOfTheRatioInTheMiddle) {
  const double ratio = 4.0 / 3;
  EXPECT_EQ(MiddleCrop(100, 30, ratio),
            (CropBox{.left = 30, .top = 0, .width = 40, .height = 30}));
  EXPECT_EQ(MiddleCrop(30, 100, ratio),
            (CropBox{.left = 0, .top = 30, .width = 30, .height = 40}));
  EXPECT_EQ(MiddleCrop(50, 45, ratio),
            (CropBox{.left = 0, .top = 0, .width = 50, .height = 45}));
  EXPECT_EQ(MiddleCrop(1, 500, ratio),
            (CropBox{.left = 0, .top = 249, .width = 1, .height = 1}));
}

TEST(DrawMixupTest, GivesEveryExampleAPartnerAndAShare) {
  std::set<std::vector<int>> orders;
  double sum = 0;
  for (int step = 0; step < 500; ++step) {
    MixupDraw draw = DrawMixup(0.4, 6, PlaceOf(step));
    ASSERT_TRUE(draw.mix >= 0 && draw.mix <= 1);
    sum += draw.mix;
    orders.insert(draw.partners);
    std::sort(draw.partners.begin(), draw.partners.end());
    ASSERT_EQ(draw.partners, (std::vector<int>{0, 1, 2, 3, 4, 5}));
  }
  EXPECT_NEAR(sum / 500, 0.5, 0.08);
  EXPECT_GT(orders.size(), 300U);
  EXPECT_EQ(DrawMixup(0.4, 1, PlaceOf(0)).partners, std::vector<int>{0});
}

TEST(BatchSeedTest, DiffersByStepAndBatch) {
  std::set<std::uint64_t> seeds;
  for (int step = 0; step < 20; ++step) {
    for (std::uint32_t batch = 0; batch < 5; ++batch) {
      seeds.insert(BatchSeed(PlaceOf(step, batch)));
    }
  }
  EXPECT_EQ(seeds.size(), 100U);
}

}  // namespace
}  // namespace resnetd
