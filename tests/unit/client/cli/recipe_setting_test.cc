#include "client/cli/recipe_setting.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace resnetd::cli {
namespace {

using ::testing::HasSubstr;

TEST(RecipeSettingTest, SetsMembersOfEveryKind) {
  client::RecipeOptions recipe;
  EXPECT_EQ(ParseSetting("flip=0.5", recipe), "");
  EXPECT_EQ(ParseSetting("batch_size=32", recipe), "");
  EXPECT_EQ(ParseSetting("max_steps=3000000000", recipe), "");
  EXPECT_EQ(ParseSetting("nesterov=false", recipe), "");
  EXPECT_EQ(ParseSetting("optimizer=AdamW", recipe), "");
  EXPECT_EQ(ParseSetting("norms=freeze", recipe), "");
  EXPECT_EQ(ParseSetting("precision=bf16", recipe), "");
  EXPECT_EQ(ParseSetting("schedule=constant", recipe), "");
  EXPECT_EQ(ParseSetting("balance=sampler", recipe), "");
  EXPECT_EQ(recipe.flip, 0.5);
  EXPECT_EQ(recipe.batch_size, 32);
  EXPECT_EQ(recipe.max_steps, 3'000'000'000);
  EXPECT_EQ(recipe.nesterov, false);
  EXPECT_EQ(recipe.optimizer, client::OptimizerKind::kAdamW);
  EXPECT_EQ(recipe.norms, client::NormPolicy::kFreeze);
  EXPECT_EQ(recipe.precision, client::TrainingPrecision::kBf16);
  EXPECT_EQ(recipe.schedule, client::RateSchedule::kConstant);
  EXPECT_EQ(recipe.balance, client::ClassBalance::kSampler);
  EXPECT_FALSE(recipe.mixup.has_value());
}

TEST(RecipeSettingTest, SaysWhatIsWrongAndSetsNothing) {
  client::RecipeOptions recipe;
  EXPECT_THAT(ParseSetting("flip", recipe), HasSubstr("NAME=VALUE"));
  EXPECT_THAT(ParseSetting("flop=1", recipe), HasSubstr("flip"));
  EXPECT_THAT(ParseSetting("flip=often", recipe),
              HasSubstr("flip: \"often\" is not a number"));
  EXPECT_THAT(ParseSetting("flip=inf", recipe), HasSubstr("not a number"));
  EXPECT_THAT(ParseSetting("batch_size=3000000000", recipe),
              HasSubstr("not a whole number"));
  EXPECT_THAT(ParseSetting("nesterov=perhaps", recipe), HasSubstr("true"));
  EXPECT_THAT(ParseSetting("optimizer=adam", recipe), HasSubstr("adamw"));
  EXPECT_FALSE(recipe.flip.has_value());
  EXPECT_FALSE(recipe.batch_size.has_value());
  EXPECT_FALSE(recipe.nesterov.has_value());
  EXPECT_FALSE(recipe.optimizer.has_value());
}

}  // namespace
}  // namespace resnetd::cli
