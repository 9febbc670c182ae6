#include "server/finetune/trainer_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace resnetd {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

JobPlan PlanOf() {
  JobPlan plan;
  plan.labels = {"a", "b"};
  plan.recipe.phases = {{.steps = 1, .trained_parts = {false, true}},
                        {.steps = 1, .trained_parts = {true, true}}};
  plan.recipe.ema = 0.5;
  plan.recipe.clip_norm = 2;
  // Three new examples of a, one replayed of b.
  plan.train.resize(3);
  plan.replay.resize(1);
  plan.replay[0].label = 1;
  return plan;
}

TEST(TrainerOptionsTest, AreThoseOfThePhaseTheRecipeAndTheServer) {
  JobPlan plan = PlanOf();
  const JobManagerOptions server = {.threads = 3, .device = "cuda"};
  const TrainerOptions first = TrainerOptionsFor(plan, 0, server);
  EXPECT_THAT(first.trained_parts, ElementsAre(false, true));
  EXPECT_THAT(TrainerOptionsFor(plan, 1, server).trained_parts,
              ElementsAre(true, true));
  EXPECT_EQ(first.threads, 3);
  EXPECT_EQ(first.device, "cuda");
  EXPECT_EQ(first.ema, 0.5);
  EXPECT_EQ(first.clip_norm, 2);
  EXPECT_THAT(first.class_weights, IsEmpty());
}

TEST(TrainerOptionsTest, NormsAreFrozenOnlyWhereTheRecipeSaysSo) {
  JobPlan plan = PlanOf();
  for (const auto& [policy, norms] :
       std::vector<std::pair<NormPolicy, NormStatistics>>{
           {NormPolicy::kFreeze, NormStatistics::kFreeze},
           {NormPolicy::kTrain, NormStatistics::kTrain},
           {NormPolicy::kReestimate, NormStatistics::kTrain}}) {
    plan.recipe.norms = policy;
    EXPECT_EQ(TrainerOptionsFor(plan, 0, {}).norms, norms);
  }
}

TEST(TrainerOptionsTest, ClassesWeighByTheInverseOfAllTheirExamples) {
  JobPlan plan = PlanOf();
  plan.recipe.balance = ClassBalance::kWeights;
  const std::vector<float> weights =
      TrainerOptionsFor(plan, 0, {}).class_weights;
  ASSERT_EQ(weights.size(), 2U);
  EXPECT_FLOAT_EQ(weights[1] / weights[0], 3);
}

}  // namespace
}  // namespace resnetd
