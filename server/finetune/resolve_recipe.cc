#include <algorithm>
#include <cmath>
#include <utility>

#include "server/finetune/rate_schedule.h"
#include "server/finetune/recipe.h"
#include "server/finetune/recipe_checker.h"
#include "server/finetune/recipe_rules.h"
#include "server/finetune/recipe_table.h"

namespace resnetd {
namespace {

// AdamW divides by the gradient's size: its rates are lower, and its decay,
// which is not, is larger.
constexpr double kAdamWRates = 0.1;
constexpr double kAdamWDecay = 100;
constexpr double kWarmup = 0.1;
constexpr double kMostEma = 0.9998;
// Statistics of fewer examples are too noisy to train with.
constexpr int kLeastNormBatch = 16;
// Of one batch, in pixels: 32 pictures of 224 x 224. What a network keeps for
// its backward pass grows with them.
constexpr std::int64_t kBatchPixels = std::int64_t{32} * 224 * 224;
// A mean class this much larger than the smallest one calls for balance.
constexpr std::int64_t kImbalance = 3;
constexpr int kEvaluations = 20;
constexpr std::int64_t kMostCheckpointSteps = 500;

// Resolves one request; the members are found in the order of the calls, each
// from the ones before it.
class Resolver {
 public:
  Resolver(const RecipeRequest& request, const RecipeFacts& facts)
      : request_(request),
        facts_(facts),
        preset_(PresetOf(facts)),
        column_(ColumnOf(preset_)) {}

  Recipe Resolve() {
    ChooseOptimizer();
    ChooseBatch();
    ChoosePhases();
    ChooseNorms();
    ChooseRegularisers();
    ChooseAugmentation();
    ChooseRun();
    return recipe_;
  }

 private:
  void ChooseOptimizer();
  void ChooseBatch();
  void ChoosePhases();
  void ChooseNorms();
  void ChooseRegularisers();
  void ChooseAugmentation();
  void ChooseRun();

  bool IsSmall() const { return facts_.training_images < kManyImages; }
  int UsualBatch() const;
  int UsualAccumulation() const;
  // Optimiser steps in which every new image comes once, on average.
  double StepsPerEpoch() const;
  std::int64_t UsualSteps() const;
  std::int64_t Steps() const;
  PhaseRequest MainPhase() const;
  TrainingPhase PhaseOf(const PhaseRequest& request) const;
  std::size_t FirstTrained(const PhaseRequest& request) const;
  double RateOf(std::size_t part, const PhaseRequest& request) const;
  bool SaysHowToVary() const;

  const RecipeRequest& request_;
  const RecipeFacts& facts_;
  RecipePreset preset_;
  const RecipeColumn& column_;
  Recipe recipe_;
};

void Resolver::ChooseOptimizer() {
  OptimizerSettings& optimizer = recipe_.optimizer;
  const OptimizerSettings usual;
  optimizer.kind = request_.optimizer.value_or(OptimizerKind::kSgd);
  const bool adamw = optimizer.kind == OptimizerKind::kAdamW;
  optimizer.momentum = request_.momentum.value_or(usual.momentum);
  optimizer.nesterov = request_.nesterov.value_or(optimizer.momentum > 0);
  optimizer.beta1 = request_.beta1.value_or(usual.beta1);
  optimizer.beta2 = request_.beta2.value_or(usual.beta2);
  optimizer.epsilon = request_.epsilon.value_or(usual.epsilon);
  optimizer.weight_decay = request_.weight_decay.value_or(
      column_.weight_decay * (adamw ? kAdamWDecay : 1));
}

int Resolver::UsualBatch() const {
  constexpr std::int64_t kFewThousand = 5'000;
  constexpr std::int64_t kVeryMany = 100'000;
  int batch = 32;
  if (facts_.training_images >= kVeryMany) {
    batch = 256;
  } else if (facts_.training_images >= kFewThousand) {
    batch = 128;
  } else if (facts_.training_images >= kFewImages &&
             preset_ != RecipePreset::kFewShot) {
    batch = 64;
  }
  // Half of a batch with replay is new.
  const std::int64_t enough =
      facts_.training_images * (facts_.is_incremental ? 2 : 1);
  return std::max(2, static_cast<int>(std::min<std::int64_t>(batch, enough)));
}

int Resolver::UsualAccumulation() const {
  const std::int64_t pixels =
      std::int64_t{facts_.input_side} * facts_.input_side;
  int parts = 1;
  // Statistics of a batch need more than one example.
  while (recipe_.batch_size / parts > 2 &&
         (recipe_.batch_size + parts - 1) / parts * pixels > kBatchPixels) {
    ++parts;
  }
  return parts;
}

void Resolver::ChooseBatch() {
  recipe_.replay_share = facts_.is_incremental ? 0.5 : 0;
  recipe_.batch_size = request_.batch_size.value_or(UsualBatch());
  if (request_.accumulation) {
    recipe_.batch_size = std::max(recipe_.batch_size, *request_.accumulation);
  }
  recipe_.accumulation = request_.accumulation.value_or(UsualAccumulation());
  recipe_.warmup = request_.warmup.value_or(kWarmup);
  recipe_.schedule = request_.schedule.value_or(RateSchedule::kCosine);
}

double Resolver::StepsPerEpoch() const {
  return static_cast<double>(facts_.training_images) /
         (recipe_.batch_size * (1 - recipe_.replay_share));
}

std::int64_t Resolver::UsualSteps() const {
  const auto epochs = [this](double count) {
    return static_cast<std::int64_t>(std::ceil(count * StepsPerEpoch()));
  };
  switch (preset_) {
    case RecipePreset::kFewShot:
      return 500;
    case RecipePreset::kMedium:
      return std::max<std::int64_t>(1000, epochs(10));
    case RecipePreset::kLarge:
      return 10'000;
    case RecipePreset::kFromScratch:
      break;
  }
  // 90 epochs: torchvision's references.
  return IsSmall() ? std::max<std::int64_t>(500, epochs(30)) : epochs(90);
}

std::int64_t Resolver::Steps() const {
  if (request_.max_steps) {
    return *request_.max_steps;
  }
  if (request_.epochs) {
    return std::clamp<std::int64_t>(
        std::llround(std::ceil(*request_.epochs * StepsPerEpoch())), 1,
        kMostSteps);
  }
  return UsualSteps();
}

PhaseRequest Resolver::MainPhase() const {
  PhaseRequest phase{.steps = Steps(),
                     .layers = request_.layers,
                     .first_stage = request_.first_stage,
                     .rate = request_.rate,
                     .head_rate = request_.head_rate};
  const std::size_t stages = facts_.parts - 2;
  if (!phase.layers && column_.last_stages > 0 &&
      column_.last_stages < stages) {
    phase.layers = LayerPolicy::kStages;
    phase.first_stage = static_cast<int>(stages - column_.last_stages) + 1;
  }
  return phase;
}

std::size_t Resolver::FirstTrained(const PhaseRequest& request) const {
  switch (request.layers.value_or(LayerPolicy::kAll)) {
    case LayerPolicy::kHead:
      return facts_.parts - 1;
    case LayerPolicy::kStages:
      return static_cast<std::size_t>(request.first_stage.value_or(1));
    case LayerPolicy::kAll:
    case LayerPolicy::kAutoRgn:
      break;
  }
  return 0;
}

double Resolver::RateOf(std::size_t part, const PhaseRequest& request) const {
  const bool is_head = part == facts_.parts - 1;
  if (is_head && request.head_rate) {
    return *request.head_rate;
  }
  if (request.rate) {
    return is_head ? std::min(kRate.most, *request.rate * column_.head_rate /
                                              column_.last_rate)
                   : *request.rate;
  }
  const double scale =
      std::min(kMostRateScale, recipe_.batch_size / kRateBatch) *
      (recipe_.optimizer.kind == OptimizerKind::kAdamW ? kAdamWRates : 1);
  if (is_head) {
    return scale * column_.head_rate;
  }
  if (request.layers == LayerPolicy::kAutoRgn) {
    // What a part gets is for its gradients to say.
    return scale * column_.last_rate;
  }
  // 0 at the stem, 1 at the last stage.
  const double depth =
      static_cast<double>(part) / static_cast<double>(facts_.parts - 2);
  return scale * column_.first_rate *
         std::pow(column_.last_rate / column_.first_rate, depth);
}

bool Resolver::SaysHowToVary() const {
  return request_.least_scale || request_.most_ratio || request_.flip ||
         request_.brightness || request_.contrast || request_.saturation ||
         request_.mixup;
}

TrainingPhase Resolver::PhaseOf(const PhaseRequest& request) const {
  TrainingPhase phase;
  phase.steps = request.steps.value_or(1);
  phase.auto_rgn = request.layers == LayerPolicy::kAutoRgn;
  const std::size_t first = FirstTrained(request);
  for (std::size_t part = 0; part < facts_.parts; ++part) {
    phase.trained_parts.push_back(part >= first);
    phase.rates.push_back(part >= first ? RateOf(part, request) : 0);
  }
  // A head on features that are computed once is hundreds of times as fast;
  // docs/finetuning.md has what it costs.
  phase.plain = first == facts_.parts - 1 && !SaysHowToVary();
  return phase;
}

void Resolver::ChoosePhases() {
  for (const PhaseRequest& phase : request_.phases) {
    recipe_.phases.push_back(PhaseOf(phase));
  }
  if (!request_.phases.empty()) {
    return;
  }
  const PhaseRequest main = MainPhase();
  TrainingPhase rest = PhaseOf(main);
  std::int64_t head_steps =
      std::llround(column_.head_share * static_cast<double>(rest.steps));
  if (column_.head_epoch) {
    head_steps = std::min(
        head_steps, static_cast<std::int64_t>(std::ceil(StepsPerEpoch())));
  }
  if (head_steps > 0 && main.layers != LayerPolicy::kHead) {
    recipe_.phases.push_back(PhaseOf({.steps = head_steps,
                                      .layers = LayerPolicy::kHead,
                                      .first_stage = std::nullopt,
                                      .rate = std::nullopt,
                                      .head_rate = rest.rates.back()}));
    rest.steps -= head_steps;
  }
  recipe_.phases.push_back(std::move(rest));
}

void Resolver::ChooseNorms() {
  const bool head_only =
      std::all_of(recipe_.phases.begin(), recipe_.phases.end(),
                  [](const TrainingPhase& phase) {
                    return std::count(phase.trained_parts.begin(),
                                      phase.trained_parts.end(), true) == 1;
                  });
  const bool freeze =
      head_only || preset_ == RecipePreset::kFewShot ||
      recipe_.batch_size / recipe_.accumulation < kLeastNormBatch;
  recipe_.norms = request_.norms.value_or(freeze && !facts_.from_scratch
                                              ? NormPolicy::kFreeze
                                              : NormPolicy::kReestimate);
}

void Resolver::ChooseRegularisers() {
  const auto steps = static_cast<double>(TotalSteps(recipe_));
  const double usual_ema = std::clamp(1 - 10 / steps, 0.0, kMostEma);
  recipe_.label_smoothing = request_.label_smoothing.value_or(0);
  recipe_.balance = request_.balance.value_or(
      facts_.smallest_class * facts_.classes * kImbalance <
              facts_.training_images
          ? ClassBalance::kSampler
          : ClassBalance::kNone);
  recipe_.mixup = request_.mixup.value_or(
      recipe_.balance == ClassBalance::kWeights ? 0 : column_.mixup);
  recipe_.l2_sp = request_.l2_sp.value_or(0);
  recipe_.ema = request_.ema.value_or(
      recipe_.norms == NormPolicy::kTrain ? 0 : usual_ema);
  recipe_.clip_norm = request_.clip_norm.value_or(0);
  recipe_.stochastic_depth = request_.stochastic_depth.value_or(0);
  recipe_.zero_init_residual = facts_.from_scratch;
}

void Resolver::ChooseAugmentation() {
  AugmentationSettings& augmentation = recipe_.augmentation;
  augmentation.least_scale = request_.least_scale.value_or(column_.least_scale);
  augmentation.most_ratio =
      request_.most_ratio.value_or(augmentation.most_ratio);
  // A mirrored 3 is no 3: nobody but the caller knows whether labels allow it.
  augmentation.flip = request_.flip.value_or(0);
  augmentation.brightness = request_.brightness.value_or(column_.colour);
  augmentation.contrast = request_.contrast.value_or(column_.colour);
  augmentation.saturation = request_.saturation.value_or(column_.colour);
}

void Resolver::ChooseRun() {
  const std::int64_t every =
      std::max<std::int64_t>(1, TotalSteps(recipe_) / kEvaluations);
  recipe_.evaluate_every = request_.evaluate_every.value_or(every);
  recipe_.checkpoint_every =
      request_.checkpoint_every.value_or(std::min(every, kMostCheckpointSteps));
  EarlyStopping& early = recipe_.early_stopping;
  early.patience = request_.patience.value_or(column_.patience);
  early.min_delta = request_.min_delta.value_or(early.min_delta);
  // What the last phase is for comes with it.
  early.min_steps = request_.min_steps.value_or(std::max(
      early.min_steps, TotalSteps(recipe_) - recipe_.phases.back().steps));
  recipe_.seed = request_.seed.value_or(0);
  recipe_.precision = request_.precision.value_or(TrainingPrecision::kFp32);
}

}  // namespace

RecipePreset PresetOf(const RecipeFacts& facts) {
  if (facts.from_scratch) {
    return RecipePreset::kFromScratch;
  }
  if (facts.training_images < kFewImages ||
      facts.training_images < kFewPerClass * facts.classes) {
    return RecipePreset::kFewShot;
  }
  return facts.training_images < kManyImages ? RecipePreset::kMedium
                                             : RecipePreset::kLarge;
}

absl::StatusOr<Recipe> ResolveRecipe(const RecipeRequest& request,
                                     const RecipeFacts& facts) {
  RecipeViolations violations = FindViolations(request);
  for (auto& misfit : FindMisfits(request, facts)) {
    violations.push_back(std::move(misfit));
  }
  if (!violations.empty()) {
    return ToStatus(violations);
  }
  Recipe recipe = Resolver(request, facts).Resolve();
  // What is said may contradict what is chosen, e.g. a number of batches that
  // leaves one example to each.
  violations = FindViolations(recipe);
  if (!violations.empty()) {
    return ToStatus(violations);
  }
  return recipe;
}

}  // namespace resnetd
