#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/finetune/trainer.h"

namespace resnetd {

// Which parts of the network a phase trains.
enum class LayerPolicy {
  kAll,
  kHead,
  // From RecipeRequest::first_stage to the head.
  kStages,
  // All; each part's rate is scaled by its |gradient| / |weights|, relative to
  // the part with the largest: see ScaleByGradients().
  kAutoRgn,
};

enum class NormPolicy {
  // Batch statistics; the running ones follow.
  kTrain,
  // The running statistics of the base stay.
  kFreeze,
  // kTrain, and they are estimated anew before every evaluation.
  kReestimate,
};

enum class ClassBalance {
  kNone,
  // Classes weigh in the loss by the inverse of their number of examples.
  kWeights,
  // Every class is drawn equally often.
  kSampler,
};

enum class RateSchedule { kConstant, kCosine };

// How training pictures are varied; validation pictures never are.
struct AugmentationSettings {
  // Share of the picture's area that the crop has, drawn from here to 1; 1: no
  // random crop, the picture is taken as for serving.
  double least_scale = 1;
  // Ratio of width to height of the crop: from 1 / this to this; >= 1.
  double most_ratio = 4.0 / 3.0;
  // Chance of a horizontal flip.
  double flip = 0;
  // Factors are drawn from max(0, 1 - x) to 1 + x; 0: off.
  double brightness = 0;
  double contrast = 0;
  double saturation = 0;

  friend bool operator==(const AugmentationSettings&,
                         const AugmentationSettings&) = default;
};

// A stretch of the training with one choice of trained parts. Warm-up and
// schedule begin anew with it.
struct TrainingPhase {
  // Optimiser steps, >= 1.
  std::int64_t steps = 0;
  // One per part of PartNames(); at least one is true.
  std::vector<bool> trained_parts;
  // The highest learning rate of each part; 0 for frozen parts.
  std::vector<double> rates;
  // LayerPolicy::kAutoRgn: in every step the rates go through
  // ScaleByGradients().
  bool auto_rgn = false;
  // Pictures are taken as for serving, whatever augmentation and mixup are, so
  // that what frozen parts make of them is computed once.
  bool plain = false;

  friend bool operator==(const TrainingPhase&, const TrainingPhase&) = default;
};

struct EarlyStopping {
  // Evaluations, since the best, whose loss did not fall either; 0: off.
  int patience = 5;
  // What counts as better, as an accuracy from 0 to 1.
  double min_delta = 0;
  // Never before this step.
  std::int64_t min_steps = 100;

  friend bool operator==(const EarlyStopping&, const EarlyStopping&) = default;
};

// Settings of a training, complete: what a job runs on and what its report
// shows.
struct Recipe {
  // At least one.
  std::vector<TrainingPhase> phases;
  OptimizerSettings optimizer;
  // Examples of one optimiser step.
  int batch_size = 1;
  // Batches that a step is made of, each of about batch_size / accumulation
  // examples; their gradients are added up. At most batch_size.
  int accumulation = 1;
  // Share of each batch that is drawn from the kept exemplars of old classes.
  double replay_share = 0;
  // Share of a phase's steps in which the rates rise; < 1.
  double warmup = 0;
  RateSchedule schedule = RateSchedule::kCosine;
  NormPolicy norms = NormPolicy::kTrain;
  double label_smoothing = 0;
  // Both parameters of the beta distribution that mixup draws from; 0: off.
  double mixup = 0;
  double l2_sp = 0;
  double ema = 0;
  double clip_norm = 0;
  double stochastic_depth = 0;
  // Of a network that begins with random weights: the last batch norm of every
  // block begins with 0, so that the block is the identity.
  bool zero_init_residual = false;
  AugmentationSettings augmentation;
  ClassBalance balance = ClassBalance::kNone;
  // In optimiser steps, >= 1. The last step is always evaluated and kept.
  std::int64_t evaluate_every = 1;
  std::int64_t checkpoint_every = 1;
  EarlyStopping early_stopping;
  // 0 to kLargestSeed.
  std::int64_t seed = 0;
  // A request that leaves it open gets kFp32 from ResolveRecipe(): what is
  // faster is measured where it is trained.
  TrainingPrecision precision = TrainingPrecision::kFp32;
};
bool operator==(const Recipe& a, const Recipe& b);

// JSON readers of other languages hold no larger integers exactly.
inline constexpr std::int64_t kLargestSeed = (std::int64_t{1} << 53) - 1;

// What may be said about one phase; what is absent is chosen.
struct PhaseRequest {
  std::optional<std::int64_t> steps;
  std::optional<LayerPolicy> layers;
  // With LayerPolicy::kStages: 1 is layer1.
  std::optional<int> first_stage;
  // Of the trained parts below the head. Rates that are said are taken as they
  // are; chosen ones grow with the batch.
  std::optional<double> rate;
  // Absent: in the usual proportion to `rate`.
  std::optional<double> head_rate;
};

// What a caller says about the training; what is absent is chosen by
// ResolveRecipe().
struct RecipeRequest {
  // Explicit phases, in order, each with its steps. Empty: chosen, by the
  // following members among others, which are not allowed beside phases.
  std::vector<PhaseRequest> phases;
  // What is trained after the first phase, in which a new head settles.
  std::optional<LayerPolicy> layers;
  std::optional<int> first_stage;
  // As PhaseRequest's.
  std::optional<double> rate;
  std::optional<double> head_rate;
  // Of all phases together; not both.
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

// What the choice depends on.
struct RecipeFacts {
  // Those that are new to the base: without replayed exemplars.
  std::int64_t training_images = 0;
  std::int64_t smallest_class = 0;
  // That the training images are of.
  int classes = 0;
  // Size of PartNames().
  std::size_t parts = 0;
  // Side of the picture that the network sees.
  int input_side = 224;
  // The base knows classes that the new images have none of, which are
  // replayed.
  bool is_incremental = false;
  // The base has random weights.
  bool from_scratch = false;
};

// Which column of the table of docs/finetuning.md counts.
// few-shot: fewer than 500 images, or 20 a class; medium: fewer than 20,000.
enum class RecipePreset { kFewShot, kMedium, kLarge, kFromScratch };
RecipePreset PresetOf(const RecipeFacts& facts);

// OK, or INVALID_ARGUMENT (RECIPE_INVALID) with a violation "recipe.<member>"
// for everything that is out of range or contradicts something else.
absl::Status Validate(const RecipeRequest& request);

// The complete recipe: what `request` says, and for the rest what is known to
// work for data like this. INVALID_ARGUMENT (RECIPE_INVALID): Validate()
// refuses the request, or it does not fit the facts; all violations at once.
// Preconditions: training_images, classes and input_side >= 1, parts >= 3.
absl::StatusOr<Recipe> ResolveRecipe(const RecipeRequest& request,
                                     const RecipeFacts& facts);

}  // namespace resnetd
