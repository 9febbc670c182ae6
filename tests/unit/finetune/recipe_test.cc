#include "server/finetune/recipe.h"

#include <gtest/gtest.h>

#include <functional>
#include <vector>

namespace resnetd {
namespace {

TEST(RecipeTest, IsEqualToItsCopyAndToNothingThatDiffers) {
  const Recipe recipe;
  const Recipe copy = recipe;
  EXPECT_EQ(recipe, copy);
  const std::vector<std::function<void(Recipe&)>> changes = {
      [](Recipe& r) { r.phases.resize(1); },
      [](Recipe& r) { r.optimizer.kind = OptimizerKind::kAdamW; },
      [](Recipe& r) { r.optimizer.momentum = 0.5; },
      [](Recipe& r) { r.optimizer.nesterov = false; },
      [](Recipe& r) { r.optimizer.beta1 = 0.5; },
      [](Recipe& r) { r.optimizer.beta2 = 0.5; },
      [](Recipe& r) { r.optimizer.epsilon = 0.5; },
      [](Recipe& r) { r.optimizer.weight_decay = 0.5; },
      [](Recipe& r) { r.batch_size = 2; },
      [](Recipe& r) { r.accumulation = 2; },
      [](Recipe& r) { r.replay_share = 0.5; },
      [](Recipe& r) { r.warmup = 0.5; },
      [](Recipe& r) { r.schedule = RateSchedule::kConstant; },
      [](Recipe& r) { r.norms = NormPolicy::kFreeze; },
      [](Recipe& r) { r.label_smoothing = 0.5; },
      [](Recipe& r) { r.mixup = 0.5; },
      [](Recipe& r) { r.l2_sp = 0.5; },
      [](Recipe& r) { r.ema = 0.5; },
      [](Recipe& r) { r.clip_norm = 0.5; },
      [](Recipe& r) { r.stochastic_depth = 0.5; },
      [](Recipe& r) { r.zero_init_residual = true; },
      [](Recipe& r) { r.augmentation.flip = 0.5; },
      [](Recipe& r) { r.balance = ClassBalance::kSampler; },
      [](Recipe& r) { r.evaluate_every = 2; },
      [](Recipe& r) { r.checkpoint_every = 2; },
      [](Recipe& r) { r.early_stopping.patience = 2; },
      [](Recipe& r) { r.seed = 2; },
      [](Recipe& r) { r.precision = TrainingPrecision::kBf16; },
  };
  for (std::size_t i = 0; i < changes.size(); ++i) {
    Recipe changed = recipe;
    changes[i](changed);
    EXPECT_FALSE(changed == recipe) << i;
  }
}

}  // namespace
}  // namespace resnetd
