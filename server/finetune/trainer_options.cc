#include "server/finetune/trainer_options.h"

#include <vector>

#include "server/finetune/recipe.h"
#include "server/finetune/sampler.h"

namespace resnetd {

TrainerOptions TrainerOptionsFor(const JobPlan& plan, std::size_t phase,
                                 const JobManagerOptions& options) {
  const Recipe& recipe = plan.recipe;
  TrainerOptions made{.threads = options.threads,
                      .device = options.device,
                      .optimizer = recipe.optimizer,
                      .norms = recipe.norms == NormPolicy::kFreeze
                                   ? NormStatistics::kFreeze
                                   : NormStatistics::kTrain,
                      .trained_parts = recipe.phases[phase].trained_parts,
                      .label_smoothing = recipe.label_smoothing,
                      .class_weights = {},
                      .l2_sp = recipe.l2_sp,
                      .clip_norm = recipe.clip_norm,
                      .ema = recipe.ema,
                      .stochastic_depth = recipe.stochastic_depth,
                      .precision = recipe.precision};
  if (recipe.balance == ClassBalance::kWeights) {
    std::vector<int> labels;
    for (const auto* examples : {&plan.train, &plan.replay}) {
      for (const PlannedExample& example : *examples) {
        labels.push_back(example.label);
      }
    }
    made.class_weights =
        BalancedClassWeights(labels, static_cast<int>(plan.labels.size()));
  }
  return made;
}

}  // namespace resnetd
