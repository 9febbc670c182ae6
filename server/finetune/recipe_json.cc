#include "server/finetune/recipe_json.h"

#include <utility>
#include <vector>

#include "server/base/bytes.h"
#include "server/base/sha256.h"
#include "server/finetune/canonical_json.h"
#include "server/finetune/json_reader.h"
#include "server/finetune/json_writer.h"

namespace resnetd {

template <typename T>
using Names = std::vector<std::pair<T, absl::string_view>>;

const Names<LayerPolicy>& NamesOf(LayerPolicy) {
  static const auto* const names =
      new Names<LayerPolicy>{{LayerPolicy::kAll, "ALL"},
                             {LayerPolicy::kHead, "HEAD"},
                             {LayerPolicy::kStages, "STAGES"},
                             {LayerPolicy::kAutoRgn, "AUTO_RGN"}};
  return *names;
}

const Names<OptimizerKind>& NamesOf(OptimizerKind) {
  static const auto* const names = new Names<OptimizerKind>{
      {OptimizerKind::kSgd, "SGD"}, {OptimizerKind::kAdamW, "ADAMW"}};
  return *names;
}

const Names<RateSchedule>& NamesOf(RateSchedule) {
  static const auto* const names = new Names<RateSchedule>{
      {RateSchedule::kConstant, "CONSTANT"}, {RateSchedule::kCosine, "COSINE"}};
  return *names;
}

const Names<NormPolicy>& NamesOf(NormPolicy) {
  static const auto* const names =
      new Names<NormPolicy>{{NormPolicy::kTrain, "TRAIN"},
                            {NormPolicy::kFreeze, "FREEZE"},
                            {NormPolicy::kReestimate, "REESTIMATE"}};
  return *names;
}

const Names<ClassBalance>& NamesOf(ClassBalance) {
  static const auto* const names =
      new Names<ClassBalance>{{ClassBalance::kNone, "NONE"},
                              {ClassBalance::kWeights, "WEIGHTS"},
                              {ClassBalance::kSampler, "SAMPLER"}};
  return *names;
}

const Names<TrainingPrecision>& NamesOf(TrainingPrecision) {
  static const auto* const names = new Names<TrainingPrecision>{
      {TrainingPrecision::kFp32, "FP32"}, {TrainingPrecision::kBf16, "BF16"}};
  return *names;
}

// The lists of members. `Any*` is the struct or a const one.

template <typename Fields, typename AnyPhase>
OnlyFor<AnyPhase, TrainingPhase> ListFields(Fields& fields, AnyPhase& phase) {
  fields("steps", phase.steps);
  fields("trained_parts", phase.trained_parts);
  fields("rates", phase.rates);
  fields("auto_rgn", phase.auto_rgn);
  fields.Added("plain", phase.plain, false);
}

template <typename Fields, typename AnyOptimizer>
OnlyFor<AnyOptimizer, OptimizerSettings> ListFields(Fields& fields,
                                                    AnyOptimizer& optimizer) {
  fields("kind", optimizer.kind);
  fields("momentum", optimizer.momentum);
  fields("nesterov", optimizer.nesterov);
  fields("beta1", optimizer.beta1);
  fields("beta2", optimizer.beta2);
  fields("epsilon", optimizer.epsilon);
  fields("weight_decay", optimizer.weight_decay);
}

template <typename Fields, typename AnySettings>
OnlyFor<AnySettings, AugmentationSettings> ListFields(Fields& fields,
                                                      AnySettings& settings) {
  fields("least_scale", settings.least_scale);
  fields("most_ratio", settings.most_ratio);
  fields("flip", settings.flip);
  fields("brightness", settings.brightness);
  fields("contrast", settings.contrast);
  fields("saturation", settings.saturation);
}

template <typename Fields, typename AnyStopping>
OnlyFor<AnyStopping, EarlyStopping> ListFields(Fields& fields,
                                               AnyStopping& stopping) {
  fields("patience", stopping.patience);
  fields("min_delta", stopping.min_delta);
  fields("min_steps", stopping.min_steps);
}

template <typename Fields, typename AnyRecipe>
OnlyFor<AnyRecipe, Recipe> ListFields(Fields& fields, AnyRecipe& recipe) {
  fields("phases", recipe.phases);
  fields("optimizer", recipe.optimizer);
  fields("batch_size", recipe.batch_size);
  fields("accumulation", recipe.accumulation);
  fields("replay_share", recipe.replay_share);
  fields("warmup", recipe.warmup);
  fields("schedule", recipe.schedule);
  fields("norms", recipe.norms);
  fields("label_smoothing", recipe.label_smoothing);
  fields("mixup", recipe.mixup);
  fields("l2_sp", recipe.l2_sp);
  fields("ema", recipe.ema);
  fields("clip_norm", recipe.clip_norm);
  fields("stochastic_depth", recipe.stochastic_depth);
  fields("zero_init_residual", recipe.zero_init_residual);
  fields("augmentation", recipe.augmentation);
  fields("balance", recipe.balance);
  fields("evaluate_every", recipe.evaluate_every);
  fields("checkpoint_every", recipe.checkpoint_every);
  fields("early_stopping", recipe.early_stopping);
  fields("seed", recipe.seed);
  fields.Added("precision", recipe.precision, TrainingPrecision::kFp32);
}

template <typename Fields, typename AnyPhase>
OnlyFor<AnyPhase, PhaseRequest> ListFields(Fields& fields, AnyPhase& phase) {
  fields("steps", phase.steps);
  fields("layers", phase.layers);
  fields("first_stage", phase.first_stage);
  fields("rate", phase.rate);
  fields("head_rate", phase.head_rate);
}

template <typename Fields, typename AnyRequest>
OnlyFor<AnyRequest, RecipeRequest> ListFields(Fields& fields,
                                              AnyRequest& request) {
  fields.Added("phases", request.phases, {});
  fields("layers", request.layers);
  fields("first_stage", request.first_stage);
  fields("rate", request.rate);
  fields("head_rate", request.head_rate);
  fields("max_steps", request.max_steps);
  fields("epochs", request.epochs);
  fields("optimizer", request.optimizer);
  fields("momentum", request.momentum);
  fields("nesterov", request.nesterov);
  fields("beta1", request.beta1);
  fields("beta2", request.beta2);
  fields("epsilon", request.epsilon);
  fields("weight_decay", request.weight_decay);
  fields("batch_size", request.batch_size);
  fields("accumulation", request.accumulation);
  fields("warmup", request.warmup);
  fields("schedule", request.schedule);
  fields("norms", request.norms);
  fields("label_smoothing", request.label_smoothing);
  fields("mixup", request.mixup);
  fields("l2_sp", request.l2_sp);
  fields("ema", request.ema);
  fields("clip_norm", request.clip_norm);
  fields("stochastic_depth", request.stochastic_depth);
  fields("least_scale", request.least_scale);
  fields("most_ratio", request.most_ratio);
  fields("flip", request.flip);
  fields("brightness", request.brightness);
  fields("contrast", request.contrast);
  fields("saturation", request.saturation);
  fields("balance", request.balance);
  fields("evaluate_every", request.evaluate_every);
  fields("checkpoint_every", request.checkpoint_every);
  fields("patience", request.patience);
  fields("min_delta", request.min_delta);
  fields("min_steps", request.min_steps);
  fields("seed", request.seed);
  fields("precision", request.precision);
}

void ListFields(JsonWriter& fields, const Recipe& recipe) {
  ListFields<JsonWriter, const Recipe>(fields, recipe);
}
void ListFields(JsonReader& fields, Recipe& recipe) {
  ListFields<JsonReader, Recipe>(fields, recipe);
}
void ListFields(JsonWriter& fields, const RecipeRequest& request) {
  ListFields<JsonWriter, const RecipeRequest>(fields, request);
}
void ListFields(JsonReader& fields, RecipeRequest& request) {
  ListFields<JsonReader, RecipeRequest>(fields, request);
}

nlohmann::json RecipeToJson(const Recipe& recipe) {
  return JsonWriter::Write(recipe);
}

std::string ConfigHash(const Recipe& recipe) {
  return Sha256Hex(AsBytes(CanonicalJson(RecipeToJson(recipe))));
}

}  // namespace resnetd
