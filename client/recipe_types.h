#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace resnetd::client {

// How a network is trained: as a caller asks for it and as it is carried out.
// Plain values; what they mean is in proto/resnetd/v1/recipe.proto.

enum class LayerPolicy { kUnknown, kAll, kHead, kStages, kAutoRgn };
enum class NormPolicy { kUnknown, kTrain, kFreeze, kReestimate };
enum class ClassBalance { kUnknown, kNone, kWeights, kSampler };
enum class RateSchedule { kUnknown, kConstant, kCosine };
enum class OptimizerKind { kUnknown, kSgd, kAdamW };
enum class TrainingPrecision { kUnknown, kFp32, kBf16 };

struct PhaseOptions {
  std::optional<std::int64_t> steps;
  std::optional<LayerPolicy> layers;
  std::optional<int> first_stage;
  std::optional<double> rate;
  std::optional<double> head_rate;
};

// What is absent is chosen by the server.
struct RecipeOptions {
  std::vector<PhaseOptions> phases;
  std::optional<LayerPolicy> layers;
  std::optional<int> first_stage;
  std::optional<double> rate;
  std::optional<double> head_rate;
  std::optional<std::int64_t> max_steps;
  std::optional<double> epochs;
  std::optional<OptimizerKind> optimizer;
  std::optional<double> momentum;
  std::optional<bool> nesterov;
  std::optional<double> beta1;
  std::optional<double> beta2;
  std::optional<double> epsilon;
  std::optional<double> weight_decay;
  std::optional<int> batch_size;
  std::optional<int> accumulation;
  std::optional<double> warmup;
  std::optional<RateSchedule> schedule;
  std::optional<NormPolicy> norms;
  std::optional<double> label_smoothing;
  std::optional<double> mixup;
  std::optional<double> l2_sp;
  std::optional<double> ema;
  std::optional<double> clip_norm;
  std::optional<double> stochastic_depth;
  std::optional<double> least_scale;
  std::optional<double> most_ratio;
  std::optional<double> flip;
  std::optional<double> brightness;
  std::optional<double> contrast;
  std::optional<double> saturation;
  std::optional<ClassBalance> balance;
  std::optional<std::int64_t> evaluate_every;
  std::optional<std::int64_t> checkpoint_every;
  std::optional<int> patience;
  std::optional<double> min_delta;
  std::optional<std::int64_t> min_steps;
  std::optional<std::int64_t> seed;
  std::optional<TrainingPrecision> precision;
};

struct TrainingPhase {
  std::int64_t steps = 0;
  // One for each part of the network, in order of depth.
  std::vector<bool> trained_parts;
  std::vector<double> rates;
  bool auto_rgn = false;
  // Pictures are taken as for serving, so that what frozen parts make of them
  // is computed once.
  bool plain = false;
};

struct OptimizerSettings {
  OptimizerKind kind = OptimizerKind::kUnknown;
  double momentum = 0;
  bool nesterov = false;
  double beta1 = 0;
  double beta2 = 0;
  double epsilon = 0;
  double weight_decay = 0;
};

struct AugmentationSettings {
  double least_scale = 1;
  double most_ratio = 1;
  double flip = 0;
  double brightness = 0;
  double contrast = 0;
  double saturation = 0;
};

struct Recipe {
  std::vector<TrainingPhase> phases;
  OptimizerSettings optimizer;
  int batch_size = 0;
  int accumulation = 0;
  double replay_share = 0;
  double warmup = 0;
  RateSchedule schedule = RateSchedule::kUnknown;
  NormPolicy norms = NormPolicy::kUnknown;
  double label_smoothing = 0;
  double mixup = 0;
  double l2_sp = 0;
  double ema = 0;
  double clip_norm = 0;
  double stochastic_depth = 0;
  bool zero_init_residual = false;
  AugmentationSettings augmentation;
  ClassBalance balance = ClassBalance::kUnknown;
  std::int64_t evaluate_every = 0;
  std::int64_t checkpoint_every = 0;
  // Of stopping early.
  int patience = 0;
  double min_delta = 0;
  std::int64_t min_steps = 0;
  std::int64_t seed = 0;
  TrainingPrecision precision = TrainingPrecision::kUnknown;
};

}  // namespace resnetd::client
