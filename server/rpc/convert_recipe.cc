#include "server/rpc/convert_recipe.h"

#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/rpc/wire_enum.h"

namespace resnetd {
namespace {

static_assert(static_cast<int>(LayerPolicy::kAll) + 1 == v1::LAYER_POLICY_ALL);
static_assert(static_cast<int>(LayerPolicy::kHead) + 1 ==
              v1::LAYER_POLICY_HEAD);
static_assert(static_cast<int>(LayerPolicy::kStages) + 1 ==
              v1::LAYER_POLICY_STAGES);
static_assert(static_cast<int>(LayerPolicy::kAutoRgn) + 1 ==
              v1::LAYER_POLICY_AUTO_RGN);
static_assert(static_cast<int>(NormPolicy::kTrain) + 1 ==
              v1::NORM_POLICY_TRAIN);
static_assert(static_cast<int>(NormPolicy::kFreeze) + 1 ==
              v1::NORM_POLICY_FREEZE);
static_assert(static_cast<int>(NormPolicy::kReestimate) + 1 ==
              v1::NORM_POLICY_REESTIMATE);
static_assert(static_cast<int>(ClassBalance::kNone) + 1 ==
              v1::CLASS_BALANCE_NONE);
static_assert(static_cast<int>(ClassBalance::kWeights) + 1 ==
              v1::CLASS_BALANCE_WEIGHTS);
static_assert(static_cast<int>(ClassBalance::kSampler) + 1 ==
              v1::CLASS_BALANCE_SAMPLER);
static_assert(static_cast<int>(RateSchedule::kConstant) + 1 ==
              v1::RATE_SCHEDULE_CONSTANT);
static_assert(static_cast<int>(RateSchedule::kCosine) + 1 ==
              v1::RATE_SCHEDULE_COSINE);
static_assert(static_cast<int>(OptimizerKind::kSgd) + 1 ==
              v1::OPTIMIZER_KIND_SGD);
static_assert(static_cast<int>(OptimizerKind::kAdamW) + 1 ==
              v1::OPTIMIZER_KIND_ADAMW);
static_assert(static_cast<int>(TrainingPrecision::kFp32) + 1 ==
              v1::TRAINING_PRECISION_FP32);
static_assert(static_cast<int>(TrainingPrecision::kBf16) + 1 ==
              v1::TRAINING_PRECISION_BF16);

// A field that may be absent, on both sides.
template <typename Message, typename Value, typename Owner>
struct Field {
  bool (Message::*has)() const;
  Value (Message::*get)() const;
  void (Message::*set)(Value);
  std::optional<Value> Owner::*member;
};
template <typename Message, typename Value, typename Owner>
Field(bool (Message::*)() const, Value (Message::*)() const,
      void (Message::*)(Value), std::optional<Value> Owner::*)
    -> Field<Message, Value, Owner>;

using Options = v1::RecipeOptions;
using Phase = v1::PhaseOptions;

constexpr auto kFields = std::tuple{
    Field{&Options::has_first_stage, &Options::first_stage,
          &Options::set_first_stage, &RecipeRequest::first_stage},
    Field{&Options::has_rate, &Options::rate, &Options::set_rate,
          &RecipeRequest::rate},
    Field{&Options::has_head_rate, &Options::head_rate, &Options::set_head_rate,
          &RecipeRequest::head_rate},
    Field{&Options::has_max_steps, &Options::max_steps, &Options::set_max_steps,
          &RecipeRequest::max_steps},
    Field{&Options::has_epochs, &Options::epochs, &Options::set_epochs,
          &RecipeRequest::epochs},
    Field{&Options::has_momentum, &Options::momentum, &Options::set_momentum,
          &RecipeRequest::momentum},
    Field{&Options::has_nesterov, &Options::nesterov, &Options::set_nesterov,
          &RecipeRequest::nesterov},
    Field{&Options::has_beta1, &Options::beta1, &Options::set_beta1,
          &RecipeRequest::beta1},
    Field{&Options::has_beta2, &Options::beta2, &Options::set_beta2,
          &RecipeRequest::beta2},
    Field{&Options::has_epsilon, &Options::epsilon, &Options::set_epsilon,
          &RecipeRequest::epsilon},
    Field{&Options::has_weight_decay, &Options::weight_decay,
          &Options::set_weight_decay, &RecipeRequest::weight_decay},
    Field{&Options::has_batch_size, &Options::batch_size,
          &Options::set_batch_size, &RecipeRequest::batch_size},
    Field{&Options::has_accumulation, &Options::accumulation,
          &Options::set_accumulation, &RecipeRequest::accumulation},
    Field{&Options::has_warmup, &Options::warmup, &Options::set_warmup,
          &RecipeRequest::warmup},
    Field{&Options::has_label_smoothing, &Options::label_smoothing,
          &Options::set_label_smoothing, &RecipeRequest::label_smoothing},
    Field{&Options::has_mixup, &Options::mixup, &Options::set_mixup,
          &RecipeRequest::mixup},
    Field{&Options::has_l2_sp, &Options::l2_sp, &Options::set_l2_sp,
          &RecipeRequest::l2_sp},
    Field{&Options::has_ema, &Options::ema, &Options::set_ema,
          &RecipeRequest::ema},
    Field{&Options::has_clip_norm, &Options::clip_norm, &Options::set_clip_norm,
          &RecipeRequest::clip_norm},
    Field{&Options::has_stochastic_depth, &Options::stochastic_depth,
          &Options::set_stochastic_depth, &RecipeRequest::stochastic_depth},
    Field{&Options::has_least_scale, &Options::least_scale,
          &Options::set_least_scale, &RecipeRequest::least_scale},
    Field{&Options::has_most_ratio, &Options::most_ratio,
          &Options::set_most_ratio, &RecipeRequest::most_ratio},
    Field{&Options::has_flip, &Options::flip, &Options::set_flip,
          &RecipeRequest::flip},
    Field{&Options::has_brightness, &Options::brightness,
          &Options::set_brightness, &RecipeRequest::brightness},
    Field{&Options::has_contrast, &Options::contrast, &Options::set_contrast,
          &RecipeRequest::contrast},
    Field{&Options::has_saturation, &Options::saturation,
          &Options::set_saturation, &RecipeRequest::saturation},
    Field{&Options::has_evaluate_every, &Options::evaluate_every,
          &Options::set_evaluate_every, &RecipeRequest::evaluate_every},
    Field{&Options::has_checkpoint_every, &Options::checkpoint_every,
          &Options::set_checkpoint_every, &RecipeRequest::checkpoint_every},
    Field{&Options::has_patience, &Options::patience, &Options::set_patience,
          &RecipeRequest::patience},
    Field{&Options::has_min_delta, &Options::min_delta, &Options::set_min_delta,
          &RecipeRequest::min_delta},
    Field{&Options::has_min_steps, &Options::min_steps, &Options::set_min_steps,
          &RecipeRequest::min_steps},
    Field{&Options::has_seed, &Options::seed, &Options::set_seed,
          &RecipeRequest::seed}};

constexpr auto kPhaseFields =
    std::tuple{Field{&Phase::has_steps, &Phase::steps, &Phase::set_steps,
                     &PhaseRequest::steps},
               Field{&Phase::has_first_stage, &Phase::first_stage,
                     &Phase::set_first_stage, &PhaseRequest::first_stage},
               Field{&Phase::has_rate, &Phase::rate, &Phase::set_rate,
                     &PhaseRequest::rate},
               Field{&Phase::has_head_rate, &Phase::head_rate,
                     &Phase::set_head_rate, &PhaseRequest::head_rate}};

template <typename Fields, typename Message, typename Owner>
void Read(const Fields& fields, const Message& message, Owner& owner) {
  const auto read = [&](const auto& field) {
    if ((message.*field.has)()) {
      owner.*field.member = (message.*field.get)();
    }
  };
  std::apply([&read](const auto&... field) { (read(field), ...); }, fields);
}

template <typename Fields, typename Owner, typename Message>
void Write(const Fields& fields, const Owner& owner, Message& message) {
  const auto write = [&](const auto& field) {
    if (const auto& value = owner.*field.member; value) {
      (message.*field.set)(*value);
    }
  };
  std::apply([&write](const auto&... field) { (write(field), ...); }, fields);
}

// Unspecified for what is absent.
template <typename Wire, typename Domain>
Wire ToWire(const std::optional<Domain>& value) {
  return value ? ToWire<Wire>(*value) : static_cast<Wire>(0);
}

v1::TrainingPhase ToProto(const TrainingPhase& phase) {
  v1::TrainingPhase message;
  message.set_steps(phase.steps);
  for (const bool is_trained : phase.trained_parts) {
    message.add_trained_parts(is_trained);
  }
  message.mutable_rates()->Add(phase.rates.begin(), phase.rates.end());
  message.set_auto_rgn(phase.auto_rgn);
  message.set_plain(phase.plain);
  return message;
}

v1::OptimizerSettings ToProto(const OptimizerSettings& optimizer) {
  v1::OptimizerSettings message;
  message.set_kind(ToWire<v1::OptimizerKind>(optimizer.kind));
  message.set_momentum(optimizer.momentum);
  message.set_nesterov(optimizer.nesterov);
  message.set_beta1(optimizer.beta1);
  message.set_beta2(optimizer.beta2);
  message.set_epsilon(optimizer.epsilon);
  message.set_weight_decay(optimizer.weight_decay);
  return message;
}

v1::AugmentationSettings ToProto(const AugmentationSettings& settings) {
  v1::AugmentationSettings message;
  message.set_least_scale(settings.least_scale);
  message.set_most_ratio(settings.most_ratio);
  message.set_flip(settings.flip);
  message.set_brightness(settings.brightness);
  message.set_contrast(settings.contrast);
  message.set_saturation(settings.saturation);
  return message;
}

v1::EarlyStopping ToProto(const EarlyStopping& stopping) {
  v1::EarlyStopping message;
  message.set_patience(stopping.patience);
  message.set_min_delta(stopping.min_delta);
  message.set_min_steps(stopping.min_steps);
  return message;
}

}  // namespace

RecipeRequest ToRecipeRequest(const v1::RecipeOptions& message,
                              absl::string_view parent,
                              Violations& violations) {
  const auto path = [parent](absl::string_view field) {
    return absl::StrCat(parent, ".", field);
  };
  RecipeRequest request;
  for (int i = 0; i < message.phases_size(); ++i) {
    const Phase& phase = message.phases(i);
    PhaseRequest& out = request.phases.emplace_back();
    Read(kPhaseFields, phase, out);
    out.layers = FromWire<LayerPolicy>(
        phase.layers(), path(absl::StrCat("phases[", i, "].layers")),
        violations);
  }
  Read(kFields, message, request);
  request.layers =
      FromWire<LayerPolicy>(message.layers(), path("layers"), violations);
  request.optimizer = FromWire<OptimizerKind>(message.optimizer(),
                                              path("optimizer"), violations);
  request.schedule =
      FromWire<RateSchedule>(message.schedule(), path("schedule"), violations);
  request.norms =
      FromWire<NormPolicy>(message.norms(), path("norms"), violations);
  request.balance =
      FromWire<ClassBalance>(message.balance(), path("balance"), violations);
  request.precision = FromWire<TrainingPrecision>(
      message.precision(), path("precision"), violations);
  return request;
}

v1::RecipeOptions ToProto(const RecipeRequest& request) {
  v1::RecipeOptions message;
  for (const PhaseRequest& phase : request.phases) {
    Phase& out = *message.add_phases();
    Write(kPhaseFields, phase, out);
    out.set_layers(ToWire<v1::LayerPolicy>(phase.layers));
  }
  Write(kFields, request, message);
  message.set_layers(ToWire<v1::LayerPolicy>(request.layers));
  message.set_optimizer(ToWire<v1::OptimizerKind>(request.optimizer));
  message.set_schedule(ToWire<v1::RateSchedule>(request.schedule));
  message.set_norms(ToWire<v1::NormPolicy>(request.norms));
  message.set_balance(ToWire<v1::ClassBalance>(request.balance));
  message.set_precision(ToWire<v1::TrainingPrecision>(request.precision));
  return message;
}

v1::Recipe ToProto(const Recipe& recipe) {
  v1::Recipe message;
  for (const TrainingPhase& phase : recipe.phases) {
    *message.add_phases() = ToProto(phase);
  }
  *message.mutable_optimizer() = ToProto(recipe.optimizer);
  message.set_batch_size(recipe.batch_size);
  message.set_accumulation(recipe.accumulation);
  message.set_replay_share(recipe.replay_share);
  message.set_warmup(recipe.warmup);
  message.set_schedule(ToWire<v1::RateSchedule>(recipe.schedule));
  message.set_norms(ToWire<v1::NormPolicy>(recipe.norms));
  message.set_label_smoothing(recipe.label_smoothing);
  message.set_mixup(recipe.mixup);
  message.set_l2_sp(recipe.l2_sp);
  message.set_ema(recipe.ema);
  message.set_clip_norm(recipe.clip_norm);
  message.set_stochastic_depth(recipe.stochastic_depth);
  message.set_zero_init_residual(recipe.zero_init_residual);
  *message.mutable_augmentation() = ToProto(recipe.augmentation);
  message.set_balance(ToWire<v1::ClassBalance>(recipe.balance));
  message.set_evaluate_every(recipe.evaluate_every);
  message.set_checkpoint_every(recipe.checkpoint_every);
  *message.mutable_early_stopping() = ToProto(recipe.early_stopping);
  message.set_seed(recipe.seed);
  message.set_precision(ToWire<v1::TrainingPrecision>(recipe.precision));
  return message;
}

}  // namespace resnetd
