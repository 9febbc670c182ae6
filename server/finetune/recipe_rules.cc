#include "server/finetune/recipe_rules.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "server/base/error.h"
#include "server/finetune/recipe_checker.h"

namespace resnetd {
namespace {

// Of a phase, or of the whole when `prefix` is empty.
void CheckLayers(absl::string_view prefix, std::optional<LayerPolicy> layers,
                 std::optional<int> first_stage, std::optional<double> rate,
                 std::optional<double> head_rate, RecipeChecker& checker) {
  const bool stages = layers == LayerPolicy::kStages;
  const std::string stage = absl::StrCat(prefix, "first_stage");
  constexpr int kMostStages = 16;
  checker.InRange(stage, first_stage, {.least = 1, .most = kMostStages});
  checker.Forbid(stages && !first_stage, stage, "is missing: layers is STAGES");
  checker.Forbid(!stages && first_stage.has_value(), stage,
                 "is only for layers STAGES");
  checker.InRange(absl::StrCat(prefix, "rate"), rate, kRate);
  checker.InRange(absl::StrCat(prefix, "head_rate"), head_rate, kRate);
  checker.Forbid(layers == LayerPolicy::kHead && rate.has_value(),
                 absl::StrCat(prefix, "rate"),
                 "is of parts that layers HEAD does not train; head_rate is "
                 "the head's");
}

void CheckPhases(const RecipeRequest& request, RecipeChecker& checker) {
  checker.Forbid(
      request.phases.size() > kMostPhases, "phases",
      absl::StrCat("has ", request.phases.size(), " entries, at most ",
                   kMostPhases, " are accepted"));
  for (std::size_t i = 0; i < request.phases.size(); ++i) {
    const PhaseRequest& phase = request.phases[i];
    const std::string prefix = absl::StrCat("phases[", i, "].");
    checker.Forbid(!phase.steps, prefix + "steps", "is missing");
    checker.InRange(prefix + "steps", phase.steps, kSteps);
    CheckLayers(prefix, phase.layers, phase.first_stage, phase.rate,
                phase.head_rate, checker);
  }
  if (request.phases.empty()) {
    return;
  }
  constexpr absl::string_view kTwice = "is said by the phases";
  checker.Forbid(request.layers.has_value(), "layers", kTwice);
  checker.Forbid(request.first_stage.has_value(), "first_stage", kTwice);
  checker.Forbid(request.rate.has_value(), "rate", kTwice);
  checker.Forbid(request.head_rate.has_value(), "head_rate", kTwice);
  checker.Forbid(request.max_steps.has_value(), "max_steps", kTwice);
  checker.Forbid(request.epochs.has_value(), "epochs", kTwice);
}

void CheckLength(const RecipeRequest& request, RecipeChecker& checker) {
  constexpr double kMostEpochs = 100'000;
  checker.InRange("max_steps", request.max_steps, kSteps);
  checker.InRange("epochs", request.epochs,
                  {.least = 0, .most = kMostEpochs, .is_open_below = true});
  checker.Forbid(request.max_steps && request.epochs, "epochs",
                 "and max_steps both say how long; give one");
}

void CheckOptimizer(const RecipeRequest& request, RecipeChecker& checker) {
  checker.InRange("momentum", request.momentum, kShareBelowOne);
  checker.InRange("beta1", request.beta1, kShareBelowOne);
  checker.InRange("beta2", request.beta2, kShareBelowOne);
  checker.InRange("epsilon", request.epsilon,
                  {.least = 0, .most = 1, .is_open_below = true});
  checker.InRange("weight_decay", request.weight_decay, kShare);
  constexpr absl::string_view kOfSgd = "is only for SGD";
  constexpr absl::string_view kOfAdamW = "is only for ADAMW";
  const bool adamw = request.optimizer == OptimizerKind::kAdamW;
  checker.Forbid(adamw && request.momentum, "momentum", kOfSgd);
  checker.Forbid(adamw && request.nesterov, "nesterov", kOfSgd);
  checker.Forbid(!adamw && request.beta1, "beta1", kOfAdamW);
  checker.Forbid(!adamw && request.beta2, "beta2", kOfAdamW);
  checker.Forbid(!adamw && request.epsilon, "epsilon", kOfAdamW);
  checker.Forbid(request.nesterov == true && request.momentum == 0.0,
                 "nesterov", "needs a momentum above 0");
}

void CheckBatch(const RecipeRequest& request, RecipeChecker& checker) {
  constexpr int kMostBatch = 8192;
  const ValueRange batch = {.least = 1, .most = kMostBatch};
  checker.InRange("batch_size", request.batch_size, batch);
  checker.InRange("accumulation", request.accumulation, batch);
  checker.InRange("warmup", request.warmup, kShareBelowOne);
  const int parts = request.accumulation.value_or(1);
  if (!request.batch_size || *request.batch_size < 1 || parts < 1) {
    return;
  }
  checker.Forbid(parts > *request.batch_size, "accumulation",
                 absl::StrCat("is ", parts, ", more than batch_size (",
                              *request.batch_size, ")"));
  const bool follows = request.norms && *request.norms != NormPolicy::kFreeze;
  checker.Forbid(follows && *request.batch_size / parts < 2, "norms",
                 "of batches of one example must be FREEZE");
}

bool TrainsHeadOnly(const RecipeRequest& request) {
  return request.layers == LayerPolicy::kHead ||
         (!request.phases.empty() &&
          std::all_of(request.phases.begin(), request.phases.end(),
                      [](const PhaseRequest& phase) {
                        return phase.layers == LayerPolicy::kHead;
                      }));
}

void CheckRegularisers(const RecipeRequest& request, RecipeChecker& checker) {
  constexpr double kMostNorm = 1e6;
  constexpr double kMostMixup = 10;
  checker.InRange("label_smoothing", request.label_smoothing, kShareBelowOne);
  checker.InRange("mixup", request.mixup, {.least = 0, .most = kMostMixup});
  checker.InRange("l2_sp", request.l2_sp, kShare);
  checker.InRange("ema", request.ema, kShareBelowOne);
  checker.InRange("clip_norm", request.clip_norm,
                  {.least = 0, .most = kMostNorm});
  checker.InRange("stochastic_depth", request.stochastic_depth, kShareBelowOne);
  checker.Forbid(request.balance == ClassBalance::kWeights &&
                     request.mixup.value_or(0) > 0,
                 "mixup",
                 "mixes examples of different weight; use balance SAMPLER");
  checker.Forbid(
      request.norms == NormPolicy::kTrain && request.ema.value_or(0) > 0, "ema",
      "needs statistics of the averaged weights: norms REESTIMATE "
      "or FREEZE");
  const bool head_only = TrainsHeadOnly(request);
  checker.Forbid(
      head_only && request.norms && *request.norms != NormPolicy::kFreeze,
      "norms", "must be FREEZE: layers HEAD trains no batch norm");
  checker.Forbid(head_only && request.l2_sp.value_or(0) > 0, "l2_sp",
                 "leaves out the head, and layers HEAD trains nothing else");
}

void CheckAugmentation(const RecipeRequest& request, RecipeChecker& checker) {
  constexpr double kLeastScale = 0.01;
  constexpr double kMostRatio = 10;
  checker.InRange("least_scale", request.least_scale,
                  {.least = kLeastScale, .most = 1});
  checker.InRange("most_ratio", request.most_ratio,
                  {.least = 1, .most = kMostRatio});
  checker.InRange("flip", request.flip, kShare);
  checker.InRange("brightness", request.brightness, kShare);
  checker.InRange("contrast", request.contrast, kShare);
  checker.InRange("saturation", request.saturation, kShare);
}

void CheckRun(const RecipeRequest& request, RecipeChecker& checker) {
  constexpr int kMostPatience = 10'000;
  checker.InRange("evaluate_every", request.evaluate_every, kSteps);
  checker.InRange("checkpoint_every", request.checkpoint_every, kSteps);
  checker.InRange("patience", request.patience,
                  {.least = 0, .most = kMostPatience});
  checker.InRange("min_delta", request.min_delta, kShare);
  checker.InRange("min_steps", request.min_steps,
                  {.least = 0, .most = kMostSteps});
  checker.InRange("seed", request.seed,
                  {.least = 0, .most = static_cast<double>(kLargestSeed)});
}

// Whether a layer policy leaves parts as they are, which random ones must not
// be.
bool LeavesParts(std::optional<LayerPolicy> layers,
                 std::optional<int> first_stage) {
  return layers == LayerPolicy::kHead ||
         (layers == LayerPolicy::kStages && first_stage);
}

void CheckStage(absl::string_view member, std::optional<int> first_stage,
                const RecipeFacts& facts, RecipeChecker& checker) {
  const int stages = static_cast<int>(facts.parts) - 2;
  checker.Forbid(first_stage.value_or(0) > stages, member,
                 absl::StrCat("is ", first_stage.value_or(0),
                              ", the network has ", stages, " stages"));
}

}  // namespace

RecipeViolations FindViolations(const RecipeRequest& request) {
  RecipeChecker checker;
  CheckPhases(request, checker);
  CheckLayers("", request.layers, request.first_stage, request.rate,
              request.head_rate, checker);
  CheckLength(request, checker);
  CheckOptimizer(request, checker);
  CheckBatch(request, checker);
  CheckRegularisers(request, checker);
  CheckAugmentation(request, checker);
  CheckRun(request, checker);
  return checker.Take();
}

RecipeViolations FindMisfits(const RecipeRequest& request,
                             const RecipeFacts& facts) {
  RecipeChecker checker;
  CheckStage("first_stage", request.first_stage, facts, checker);
  for (std::size_t i = 0; i < request.phases.size(); ++i) {
    CheckStage(absl::StrCat("phases[", i, "].first_stage"),
               request.phases[i].first_stage, facts, checker);
  }
  if (!facts.from_scratch) {
    return checker.Take();
  }
  checker.Forbid(LeavesParts(request.layers, request.first_stage), "layers",
                 "must be ALL: the base has random weights");
  checker.Forbid(
      !request.phases.empty() &&
          std::all_of(request.phases.begin(), request.phases.end(),
                      [](const PhaseRequest& phase) {
                        return LeavesParts(phase.layers, phase.first_stage);
                      }),
      "phases", "must train all layers in one: the base has random weights");
  checker.Forbid(request.norms == NormPolicy::kFreeze, "norms",
                 "must not be FREEZE: the base has no statistics yet");
  return checker.Take();
}

absl::Status ToStatus(const RecipeViolations& violations) {
  if (violations.empty()) {
    return absl::OkStatus();
  }
  std::vector<std::string> texts;
  for (const auto& [member, text] : violations) {
    texts.push_back(absl::StrCat(member, " ", text));
  }
  Error error(absl::StatusCode::kInvalidArgument, Reason::kRecipeInvalid,
              absl::StrCat("recipe: ", absl::StrJoin(texts, "; ")));
  for (const auto& [member, text] : violations) {
    error.AddViolation(absl::StrCat("recipe.", member), text);
  }
  return error;
}

absl::Status Validate(const RecipeRequest& request) {
  return ToStatus(FindViolations(request));
}

}  // namespace resnetd
