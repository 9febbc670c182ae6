#include <optional>
#include <tuple>

#include "client/job_convert.h"

namespace resnetd::client {
namespace {

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

using Wire = v1::RecipeOptions;
using Phase = v1::PhaseOptions;

constexpr auto kFields = std::tuple{
    Field{&Wire::has_first_stage, &Wire::first_stage, &Wire::set_first_stage,
          &RecipeOptions::first_stage},
    Field{&Wire::has_rate, &Wire::rate, &Wire::set_rate, &RecipeOptions::rate},
    Field{&Wire::has_head_rate, &Wire::head_rate, &Wire::set_head_rate,
          &RecipeOptions::head_rate},
    Field{&Wire::has_max_steps, &Wire::max_steps, &Wire::set_max_steps,
          &RecipeOptions::max_steps},
    Field{&Wire::has_epochs, &Wire::epochs, &Wire::set_epochs,
          &RecipeOptions::epochs},
    Field{&Wire::has_momentum, &Wire::momentum, &Wire::set_momentum,
          &RecipeOptions::momentum},
    Field{&Wire::has_nesterov, &Wire::nesterov, &Wire::set_nesterov,
          &RecipeOptions::nesterov},
    Field{&Wire::has_beta1, &Wire::beta1, &Wire::set_beta1,
          &RecipeOptions::beta1},
    Field{&Wire::has_beta2, &Wire::beta2, &Wire::set_beta2,
          &RecipeOptions::beta2},
    Field{&Wire::has_epsilon, &Wire::epsilon, &Wire::set_epsilon,
          &RecipeOptions::epsilon},
    Field{&Wire::has_weight_decay, &Wire::weight_decay, &Wire::set_weight_decay,
          &RecipeOptions::weight_decay},
    Field{&Wire::has_batch_size, &Wire::batch_size, &Wire::set_batch_size,
          &RecipeOptions::batch_size},
    Field{&Wire::has_accumulation, &Wire::accumulation, &Wire::set_accumulation,
          &RecipeOptions::accumulation},
    Field{&Wire::has_warmup, &Wire::warmup, &Wire::set_warmup,
          &RecipeOptions::warmup},
    Field{&Wire::has_label_smoothing, &Wire::label_smoothing,
          &Wire::set_label_smoothing, &RecipeOptions::label_smoothing},
    Field{&Wire::has_mixup, &Wire::mixup, &Wire::set_mixup,
          &RecipeOptions::mixup},
    Field{&Wire::has_l2_sp, &Wire::l2_sp, &Wire::set_l2_sp,
          &RecipeOptions::l2_sp},
    Field{&Wire::has_ema, &Wire::ema, &Wire::set_ema, &RecipeOptions::ema},
    Field{&Wire::has_clip_norm, &Wire::clip_norm, &Wire::set_clip_norm,
          &RecipeOptions::clip_norm},
    Field{&Wire::has_stochastic_depth, &Wire::stochastic_depth,
          &Wire::set_stochastic_depth, &RecipeOptions::stochastic_depth},
    Field{&Wire::has_least_scale, &Wire::least_scale, &Wire::set_least_scale,
          &RecipeOptions::least_scale},
    Field{&Wire::has_most_ratio, &Wire::most_ratio, &Wire::set_most_ratio,
          &RecipeOptions::most_ratio},
    Field{&Wire::has_flip, &Wire::flip, &Wire::set_flip, &RecipeOptions::flip},
    Field{&Wire::has_brightness, &Wire::brightness, &Wire::set_brightness,
          &RecipeOptions::brightness},
    Field{&Wire::has_contrast, &Wire::contrast, &Wire::set_contrast,
          &RecipeOptions::contrast},
    Field{&Wire::has_saturation, &Wire::saturation, &Wire::set_saturation,
          &RecipeOptions::saturation},
    Field{&Wire::has_evaluate_every, &Wire::evaluate_every,
          &Wire::set_evaluate_every, &RecipeOptions::evaluate_every},
    Field{&Wire::has_checkpoint_every, &Wire::checkpoint_every,
          &Wire::set_checkpoint_every, &RecipeOptions::checkpoint_every},
    Field{&Wire::has_patience, &Wire::patience, &Wire::set_patience,
          &RecipeOptions::patience},
    Field{&Wire::has_min_delta, &Wire::min_delta, &Wire::set_min_delta,
          &RecipeOptions::min_delta},
    Field{&Wire::has_min_steps, &Wire::min_steps, &Wire::set_min_steps,
          &RecipeOptions::min_steps},
    Field{&Wire::has_seed, &Wire::seed, &Wire::set_seed, &RecipeOptions::seed}};

constexpr auto kPhaseFields =
    std::tuple{Field{&Phase::has_steps, &Phase::steps, &Phase::set_steps,
                     &PhaseOptions::steps},
               Field{&Phase::has_first_stage, &Phase::first_stage,
                     &Phase::set_first_stage, &PhaseOptions::first_stage},
               Field{&Phase::has_rate, &Phase::rate, &Phase::set_rate,
                     &PhaseOptions::rate},
               Field{&Phase::has_head_rate, &Phase::head_rate,
                     &Phase::set_head_rate, &PhaseOptions::head_rate}};

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

// The enums have the same numbers on both sides.
static_assert(static_cast<int>(LayerPolicy::kAutoRgn) ==
              v1::LAYER_POLICY_AUTO_RGN);
static_assert(static_cast<int>(NormPolicy::kReestimate) ==
              v1::NORM_POLICY_REESTIMATE);
static_assert(static_cast<int>(ClassBalance::kSampler) ==
              v1::CLASS_BALANCE_SAMPLER);
static_assert(static_cast<int>(RateSchedule::kCosine) ==
              v1::RATE_SCHEDULE_COSINE);
static_assert(static_cast<int>(OptimizerKind::kAdamW) ==
              v1::OPTIMIZER_KIND_ADAMW);
static_assert(static_cast<int>(TrainingPrecision::kBf16) ==
              v1::TRAINING_PRECISION_BF16);

template <typename Wire, typename Value>
Wire ToWire(const std::optional<Value>& value) {
  return value ? static_cast<Wire>(*value) : static_cast<Wire>(0);
}

// kUnknown for a value that is not known here.
template <typename Value, typename Wire>
Value FromWire(Wire wire, Value last) {
  return static_cast<int>(wire) > static_cast<int>(last)
             ? static_cast<Value>(0)
             : static_cast<Value>(wire);
}

// Absent for "unspecified".
template <typename Value, typename Wire>
std::optional<Value> IfSet(Wire wire, Value last) {
  return static_cast<int>(wire) == 0 ? std::nullopt
                                     : std::optional(FromWire(wire, last));
}

TrainingPhase FromProto(const v1::TrainingPhase& message) {
  return {.steps = message.steps(),
          .trained_parts = {message.trained_parts().begin(),
                            message.trained_parts().end()},
          .rates = {message.rates().begin(), message.rates().end()},
          .auto_rgn = message.auto_rgn(),
          .plain = message.plain()};
}

OptimizerSettings FromProto(const v1::OptimizerSettings& message) {
  return {.kind = FromWire(message.kind(), OptimizerKind::kAdamW),
          .momentum = message.momentum(),
          .nesterov = message.nesterov(),
          .beta1 = message.beta1(),
          .beta2 = message.beta2(),
          .epsilon = message.epsilon(),
          .weight_decay = message.weight_decay()};
}

AugmentationSettings FromProto(const v1::AugmentationSettings& message) {
  return {.least_scale = message.least_scale(),
          .most_ratio = message.most_ratio(),
          .flip = message.flip(),
          .brightness = message.brightness(),
          .contrast = message.contrast(),
          .saturation = message.saturation()};
}

}  // namespace

v1::RecipeOptions ToProto(const RecipeOptions& options) {
  v1::RecipeOptions message;
  for (const PhaseOptions& phase : options.phases) {
    Phase& out = *message.add_phases();
    Write(kPhaseFields, phase, out);
    out.set_layers(ToWire<v1::LayerPolicy>(phase.layers));
  }
  Write(kFields, options, message);
  message.set_layers(ToWire<v1::LayerPolicy>(options.layers));
  message.set_optimizer(ToWire<v1::OptimizerKind>(options.optimizer));
  message.set_schedule(ToWire<v1::RateSchedule>(options.schedule));
  message.set_norms(ToWire<v1::NormPolicy>(options.norms));
  message.set_balance(ToWire<v1::ClassBalance>(options.balance));
  message.set_precision(ToWire<v1::TrainingPrecision>(options.precision));
  return message;
}

RecipeOptions FromProto(const v1::RecipeOptions& message) {
  RecipeOptions options;
  for (const Phase& phase : message.phases()) {
    PhaseOptions& out = options.phases.emplace_back();
    Read(kPhaseFields, phase, out);
    out.layers = IfSet(phase.layers(), LayerPolicy::kAutoRgn);
  }
  Read(kFields, message, options);
  options.layers = IfSet(message.layers(), LayerPolicy::kAutoRgn);
  options.optimizer = IfSet(message.optimizer(), OptimizerKind::kAdamW);
  options.schedule = IfSet(message.schedule(), RateSchedule::kCosine);
  options.norms = IfSet(message.norms(), NormPolicy::kReestimate);
  options.balance = IfSet(message.balance(), ClassBalance::kSampler);
  options.precision = IfSet(message.precision(), TrainingPrecision::kBf16);
  return options;
}

Recipe FromProto(const v1::Recipe& message) {
  Recipe recipe = {
      .optimizer = FromProto(message.optimizer()),
      .batch_size = message.batch_size(),
      .accumulation = message.accumulation(),
      .replay_share = message.replay_share(),
      .warmup = message.warmup(),
      .schedule = FromWire(message.schedule(), RateSchedule::kCosine),
      .norms = FromWire(message.norms(), NormPolicy::kReestimate),
      .label_smoothing = message.label_smoothing(),
      .mixup = message.mixup(),
      .l2_sp = message.l2_sp(),
      .ema = message.ema(),
      .clip_norm = message.clip_norm(),
      .stochastic_depth = message.stochastic_depth(),
      .zero_init_residual = message.zero_init_residual(),
      .augmentation = FromProto(message.augmentation()),
      .balance = FromWire(message.balance(), ClassBalance::kSampler),
      .evaluate_every = message.evaluate_every(),
      .checkpoint_every = message.checkpoint_every(),
      .patience = message.early_stopping().patience(),
      .min_delta = message.early_stopping().min_delta(),
      .min_steps = message.early_stopping().min_steps(),
      .seed = message.seed(),
      .precision = FromWire(message.precision(), TrainingPrecision::kBf16)};
  for (const v1::TrainingPhase& phase : message.phases()) {
    recipe.phases.push_back(FromProto(phase));
  }
  return recipe;
}

}  // namespace resnetd::client
