#include <algorithm>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/finetune/recipe_checker.h"
#include "server/finetune/recipe_rules.h"

namespace resnetd {
namespace {

// Says all that the recipe says but the phases.
RecipeRequest RequestOf(const Recipe& recipe) {
  RecipeRequest request;
  const bool sgd = recipe.optimizer.kind == OptimizerKind::kSgd;
  request.optimizer = recipe.optimizer.kind;
  if (sgd) {
    request.momentum = recipe.optimizer.momentum;
    request.nesterov = recipe.optimizer.nesterov;
  } else {
    request.beta1 = recipe.optimizer.beta1;
    request.beta2 = recipe.optimizer.beta2;
    request.epsilon = recipe.optimizer.epsilon;
  }
  request.weight_decay = recipe.optimizer.weight_decay;
  request.batch_size = recipe.batch_size;
  request.accumulation = recipe.accumulation;
  request.warmup = recipe.warmup;
  request.norms = recipe.norms;
  request.label_smoothing = recipe.label_smoothing;
  request.mixup = recipe.mixup;
  request.l2_sp = recipe.l2_sp;
  request.ema = recipe.ema;
  request.clip_norm = recipe.clip_norm;
  request.stochastic_depth = recipe.stochastic_depth;
  request.least_scale = recipe.augmentation.least_scale;
  request.most_ratio = recipe.augmentation.most_ratio;
  request.flip = recipe.augmentation.flip;
  request.brightness = recipe.augmentation.brightness;
  request.contrast = recipe.augmentation.contrast;
  request.saturation = recipe.augmentation.saturation;
  request.balance = recipe.balance;
  request.evaluate_every = recipe.evaluate_every;
  request.checkpoint_every = recipe.checkpoint_every;
  request.patience = recipe.early_stopping.patience;
  request.min_delta = recipe.early_stopping.min_delta;
  request.min_steps = recipe.early_stopping.min_steps;
  request.seed = recipe.seed;
  request.precision = recipe.precision;
  return request;
}

// Says the moments that the other optimiser would use, and nothing else.
RecipeRequest OtherMomentsOf(const Recipe& recipe) {
  RecipeRequest request;
  if (recipe.optimizer.kind == OptimizerKind::kAdamW) {
    request.momentum = recipe.optimizer.momentum;
  } else {
    request.optimizer = OptimizerKind::kAdamW;
    request.beta1 = recipe.optimizer.beta1;
    request.beta2 = recipe.optimizer.beta2;
    request.epsilon = recipe.optimizer.epsilon;
  }
  return request;
}

void CheckPhase(const TrainingPhase& phase, const std::string& prefix,
                std::size_t parts, RecipeChecker& checker) {
  checker.InRange(prefix + "steps", std::optional(phase.steps), kSteps);
  const std::vector<bool>& trained = phase.trained_parts;
  checker.Forbid(std::count(trained.begin(), trained.end(), true) == 0,
                 prefix + "trained_parts", "has none that is trained");
  if (trained.size() != parts || phase.rates.size() != parts) {
    checker.Add(prefix + "rates", "must be one for each part");
    return;
  }
  for (std::size_t part = 0; part < parts; ++part) {
    const std::optional<double> rate = phase.rates[part];
    const std::string member = absl::StrCat(prefix, "rates[", part, "]");
    if (trained[part]) {
      checker.InRange(member, rate, kRate);
    } else {
      checker.Forbid(*rate != 0, member, "of a frozen part is not 0");
    }
  }
}

}  // namespace

RecipeViolations FindViolations(const Recipe& recipe) {
  RecipeViolations violations = FindViolations(RequestOf(recipe));
  RecipeChecker checker;
  checker.Forbid(recipe.phases.empty() || recipe.phases.size() > kMostPhases,
                 "phases", absl::StrCat("must be 1 to ", kMostPhases));
  checker.InRange("replay_share", std::optional(recipe.replay_share),
                  kShareBelowOne);
  for (std::size_t i = 0; i < recipe.phases.size(); ++i) {
    CheckPhase(recipe.phases[i], absl::StrCat("phases[", i, "]."),
               recipe.phases[0].trained_parts.size(), checker);
  }
  for (RecipeViolations more :
       {FindViolations(OtherMomentsOf(recipe)), checker.Take()}) {
    std::move(more.begin(), more.end(), std::back_inserter(violations));
  }
  return violations;
}

}  // namespace resnetd
