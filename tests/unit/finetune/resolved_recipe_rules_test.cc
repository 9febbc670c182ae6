#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "server/finetune/recipe.h"
#include "server/finetune/recipe_rules.h"

namespace resnetd {
namespace {

Recipe GoodRecipe() {
  return ResolveRecipe({}, {.training_images = 5'000,
                            .smallest_class = 500,
                            .classes = 10,
                            .parts = 5,
                            .input_side = 32,
                            .is_incremental = false,
                            .from_scratch = false})
      .value();
}

struct Damage {
  std::function<void(Recipe&)> apply;
  std::vector<std::string> members;
};

std::vector<Damage> Damages() {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  return {
      {[](Recipe&) {}, {}},
      {[](Recipe& r) { r.phases.clear(); }, {"phases"}},
      {[](Recipe& r) { r.phases.resize(kMostPhases, r.phases[0]); }, {}},
      {[](Recipe& r) { r.phases.resize(kMostPhases + 1, r.phases[0]); },
       {"phases"}},
      {[](Recipe& r) { r.phases[1].steps = 0; }, {"phases[1].steps"}},
      {[](Recipe& r) { r.phases[0].trained_parts.assign(5, false); },
       {"phases[0].trained_parts", "phases[0].rates[4]"}},
      {[](Recipe& r) { r.phases[0].trained_parts.clear(); },
       {"phases[0].trained_parts", "phases[0].rates", "phases[1].rates"}},
      {[](Recipe& r) { r.phases[1].rates.pop_back(); }, {"phases[1].rates"}},
      {[](Recipe& r) { r.phases[1].rates[2] = 0; }, {"phases[1].rates[2]"}},
      {[=](Recipe& r) { r.phases[1].rates[2] = nan; }, {"phases[1].rates[2]"}},
      {[](Recipe& r) { r.phases[0].rates[0] = 0.1; }, {"phases[0].rates[0]"}},
      {[=](Recipe& r) { r.phases[0].rates[0] = nan; }, {"phases[0].rates[0]"}},
      {[](Recipe& r) { r.replay_share = 1; }, {"replay_share"}},
      {[](Recipe& r) { r.replay_share = 0.99; }, {}},
      {[](Recipe& r) { r.optimizer.momentum = 1; }, {"momentum"}},
      {[](Recipe& r) { r.optimizer.beta1 = 1; }, {"beta1"}},
      {[](Recipe& r) { r.optimizer.epsilon = 0; }, {"epsilon"}},
      {[](Recipe& r) {
         r.optimizer.kind = OptimizerKind::kAdamW;
         r.optimizer.momentum = 1;
       },
       {"momentum"}},
      {[](Recipe& r) { r.accumulation = r.batch_size; }, {"norms"}},
      {[](Recipe& r) { r.accumulation = r.batch_size + 1; },
       {"accumulation", "norms"}},
      {[](Recipe& r) { r.norms = NormPolicy::kTrain; }, {"ema"}},
      {[](Recipe& r) { r.evaluate_every = 0; }, {"evaluate_every"}},
      {[](Recipe& r) { r.seed = -1; }, {"seed"}},
  };
}

TEST(ResolvedRecipeRulesTest, FindWhatIsWrongAndNothingElse) {
  std::size_t number = 0;
  for (const Damage& damage : Damages()) {
    Recipe recipe = GoodRecipe();
    damage.apply(recipe);
    std::vector<std::string> members;
    for (const auto& [member, text] : FindViolations(recipe)) {
      members.push_back(member);
    }
    EXPECT_THAT(members, ::testing::UnorderedElementsAreArray(damage.members))
        << number;
    ++number;
  }
}

}  // namespace
}  // namespace resnetd
