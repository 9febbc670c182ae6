#include "server/finetune/phase_features.h"

#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <vector>

namespace resnetd {
namespace {

// Stem, layer1, layer2, head; the pictures are as for serving.
Recipe RecipeOf(const std::vector<bool>& trained_parts) {
  Recipe recipe;
  recipe.phases = {
      {.steps = 10, .trained_parts = trained_parts, .rates = {0, 0, 0, 0.1}}};
  recipe.batch_size = 8;
  return recipe;
}

TEST(StagesToCacheTest, AreThoseBeforeTheFirstTrainedPart) {
  EXPECT_EQ(StagesToCache(RecipeOf({true, true, true, true}), 0, 80),
            std::nullopt);
  EXPECT_EQ(StagesToCache(RecipeOf({true, false, false, true}), 0, 80),
            std::nullopt);
  EXPECT_EQ(StagesToCache(RecipeOf({false, true, true, true}), 0, 80), 0);
  EXPECT_EQ(StagesToCache(RecipeOf({false, false, true, true}), 0, 80), 1);
  EXPECT_EQ(StagesToCache(RecipeOf({false, false, false, true}), 0, 80), 2);
  EXPECT_EQ(StagesToCache(RecipeOf({false, true, false, true}), 0, 80), 0);
}

TEST(StagesToCacheTest, NeedPicturesThatAreTheSameInEveryStep) {
  for (const auto& vary : std::vector<std::function<void(Recipe&)>>{
           [](Recipe& r) { r.augmentation.least_scale = 0.9; },
           [](Recipe& r) { r.augmentation.flip = 0.5; },
           [](Recipe& r) { r.augmentation.brightness = 0.1; },
           [](Recipe& r) { r.augmentation.contrast = 0.1; },
           [](Recipe& r) { r.augmentation.saturation = 0.1; },
           [](Recipe& r) { r.mixup = 0.2; }}) {
    Recipe recipe = RecipeOf({false, false, false, true});
    vary(recipe);
    EXPECT_EQ(StagesToCache(recipe, 0, 80), std::nullopt);
    recipe.phases[0].plain = true;
    EXPECT_EQ(StagesToCache(recipe, 0, 80), 2);
  }
}

TEST(StagesToCacheTest, MustPayWithinThePhase) {
  const Recipe recipe = RecipeOf({false, false, false, true});
  EXPECT_EQ(StagesToCache(recipe, 0, 79), 2);
  EXPECT_EQ(StagesToCache(recipe, 0, 80), 2);
  EXPECT_EQ(StagesToCache(recipe, 0, 81), std::nullopt);
}

// 100 pictures of 10 float32.
TEST(TrainerIsFasterTest, WhereLittleIsKeptAndTheTrainingIsInBfloat16) {
  Recipe recipe = RecipeOf({false, false, true, true});
  const FeatureShape shape{.channels = 10, .height = 1, .width = 1};
  EXPECT_FALSE(TrainerIsFaster(recipe, shape, 100, 0));
  recipe.precision = TrainingPrecision::kBf16;
  EXPECT_TRUE(TrainerIsFaster(recipe, shape, 100, 0));
  EXPECT_TRUE(TrainerIsFaster(recipe, shape, 100, 1599));
  EXPECT_FALSE(TrainerIsFaster(recipe, shape, 100, 1600));
  EXPECT_FALSE(TrainerIsFaster(recipe, shape, 100, 4000));
}

}  // namespace
}  // namespace resnetd
