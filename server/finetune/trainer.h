#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/base/clock.h"
#include "server/finetune/gradient_sample.h"
#include "server/image/pixels.h"
#include "server/image/preprocess.h"
#include "server/models/architecture.h"
#include "server/models/weights.h"

namespace resnetd {

// Tensors by name, in a fixed order.
using TensorList = std::vector<std::pair<std::string, Tensor>>;

// What the network computes with. Parameters, their gradients, statistics of
// batch norms, the optimiser and the head are float32 always.
enum class TrainingPrecision {
  kFp32,
  // Convolutions and the activations between them are bfloat16. Evaluations are
  // as of kFp32.
  kBf16,
};

enum class OptimizerKind { kSgd, kAdamW };

struct OptimizerSettings {
  OptimizerKind kind = OptimizerKind::kSgd;
  // SGD: as torch.optim.SGD with dampening 0.
  double momentum = 0.9;
  bool nesterov = true;
  // AdamW: as torch.optim.AdamW.
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  // Of weights of convolutions and of the head; batch norms and biases have
  // none. SGD: added to the gradient; AdamW: decoupled.
  double weight_decay = 0;
};

// Which statistics the batch norms of trained parts normalise with. Those of
// frozen parts always use the running statistics and leave them as they are.
enum class NormStatistics {
  // Of the batch; running statistics follow with momentum 0.1.
  kTrain,
  // The running ones, which stay.
  kFreeze,
};

struct TrainerOptions {
  // Of LibTorch, for this trainer; >= 1.
  int threads = 1;
  // "cpu", "cuda" or "cuda:N".
  std::string device = "cpu";
  OptimizerSettings optimizer;
  NormStatistics norms = NormStatistics::kTrain;
  // One per part of PartNames(); at least one is true. A frozen part takes no
  // gradient and keeps every value, its running statistics too; what lies
  // before the first trained part is computed without autograd.
  std::vector<bool> trained_parts;
  // 0 <= label_smoothing < 1, as torch's cross_entropy.
  double label_smoothing = 0;
  // Empty, or one weight per class, as torch's cross_entropy with
  // reduction="mean": the mean is over the weights.
  std::vector<float> class_weights;
  // Pull of the trained parameters to their first values: its gradient is
  // l2_sp * (w - w0). The parameters of the head are left out. 0: off.
  double l2_sp = 0;
  // The gradient is scaled down to this norm; 0: off.
  double clip_norm = 0;
  // Weight of the old value in the running mean of the parameters after each
  // step: a = ema * a + (1 - ema) * w. 0: off. When on, Logits() and
  // ExportWeights() use the means.
  double ema = 0;
  // Stochastic depth: chance that the last block's main path is left out for an
  // example, falling linearly to 0 at the first block; 0: off. Evaluation keeps
  // every path. The kept ones are scaled by 1 / (1 - chance).
  double stochastic_depth = 0;
  TrainingPrecision precision = TrainingPrecision::kFp32;
};

// What a picture is at the beginning of the first trained part: the numbers of
// a FeatureExtractor for all that lies before it.
using Features = absl::Span<const float>;

// One batch as the network sees it: pictures of the input size, or their
// features, and labels in 0 to classes - 1. The pictures outlive the call.
struct TrainingBatch {
  std::vector<const Pixels*> pictures;
  // Instead of pictures; without mixup.
  std::vector<Features> features;
  std::vector<int> labels;
  // Mixup: picture i becomes mix * picture i + (1 - mix) * picture partner[i],
  // and its loss the same mean of both labels' losses. Empty: off.
  std::vector<int> partners;
  double mix = 1;
  // What is random in the step follows from this alone.
  std::uint64_t seed = 0;
};

// What a step that is observed tells beside its report: a GradientSample with
// the paths of every block and the norms of everything that is trained. It
// changes no bit of the step; ./dev bench gradients tells what it costs.
struct Observation {
  // GradientSample::step of the sample. The caller counts: a trainer knows only
  // the steps of its own phase.
  std::int64_t step = 0;
  // Also GradientSample::noise and that of the blocks. A step of several
  // batches tells it unasked, since it needs no more than their gradients; a
  // step of one batch does it once more in up to kNoiseBatches parts, which
  // costs more than the step itself. Absent all the same when a batch is too
  // small for two parts.
  bool noise = false;
};

// Parts that one batch is taken in to see how noisy its gradient is.
inline constexpr int kNoiseBatches = 4;

struct StepSettings {
  // Learning rate of each part; those of frozen parts are not looked at.
  std::vector<double> rates;
  // The step is done with what ScaleByGradients() (rate_schedule.h) makes of
  // the rates.
  bool by_gradients = false;
  // Absent: the step is not observed, and pays nothing.
  std::optional<Observation> observe;
};

// Euclidean norms of everything that is trained in one part.
struct PartNorms {
  // Before clipping, with the pull of l2_sp.
  double gradient = 0;
  // Before the step.
  double weights = 0;

  friend bool operator==(const PartNorms&, const PartNorms&) = default;
};

// Where the time of a step went, on the clock of the thread that asked for it.
// They add up to nearly all of Trainer::Step(). No device is waited for to tell
// them apart: on an accelerator each phase has what it waits for anyway, so
// that the work of the optimiser shows in the next step's forward pass.
struct StepPhases {
  // Until the loss is known; from what the network reads.
  Duration forward{};
  // Until the norm of the gradient is known.
  Duration backward{};
  // With the pull of l2_sp, clipping and the running means. Where a step is
  // observed, with the measuring of its change.
  Duration optimizer{};
  // All else that is done for an observation: its extra passes for the noise,
  // and what is measured in the passes of the step. 0 when nothing is observed.
  Duration probe{};

  friend bool operator==(const StepPhases&, const StepPhases&) = default;
};

// Of one optimiser step, over all its batches.
struct StepReport {
  // Mean cross entropy of the examples, without the pull of l2_sp.
  double loss = 0;
  // Examples whose best class was their label; without mixup.
  int correct = 0;
  int examples = 0;
  // Of the whole gradient, before clipping.
  double gradient_norm = 0;
  // With StepSettings::by_gradients one for each part, 0 for frozen ones; else
  // empty.
  std::vector<PartNorms> parts;
  // False: loss or gradient is not finite, and no parameter was changed. The
  // running statistics may have been: go back to a saved state.
  bool is_finite = true;
  // Of this step, or of the one before: an accelerator is not waited for, so
  // that its numbers come with the next step, observed or not. Look at
  // GradientSample::step. A step that is not finite has no sample.
  std::optional<GradientSample> sample;
  // nullopt: the trainer does not tell.
  std::optional<StepPhases> phases;
};

// Everything that a continued training needs to go on bit for bit.
struct TrainerState {
  // Every entry of the state dict but the counters.
  TensorList weights;
  // Of the optimiser, e.g. "momentum.layer1.0.conv1.weight".
  TensorList optimizer;
  // The running means of the parameters; empty: off.
  TensorList means;
  std::int64_t steps = 0;
};

// A private copy of a network in training. Knows how to do one step and decides
// nothing: which pictures, how fast, when to stop and what is good enough is
// its caller's.
//
// Not thread-safe; calls from one thread at a time, the same one: LibTorch's
// threads take the scheduling of the thread that first uses them.
// Errors of every method: RESOURCE_EXHAUSTED (OUT_OF_MEMORY), INTERNAL (the
// library failed). After an error only Restore() may be called.
class Trainer {
 public:
  virtual ~Trainer() = default;

  // One optimiser step over `batches`, whose gradients are accumulated: as one
  // batch of all their examples, but for the batch statistics. At least one
  // batch, none empty; a batch of one example needs frozen statistics.
  virtual absl::StatusOr<StepReport> Step(
      absl::Span<const TrainingBatch> batches,
      const StepSettings& settings) = 0;

  // The sample of the last step, if it was observed and not reported yet; waits
  // for the device. Before a checkpoint, an end, or whatever else may come
  // instead of a next step: samples are no part of a saved state, and Restore()
  // drops one that is pending.
  virtual absl::StatusOr<std::optional<GradientSample>> PendingSample() = 0;

  // As Model::Logits(), of the network in evaluation mode.
  virtual absl::StatusOr<std::vector<float>> Logits(
      absl::Span<const Pixels* const> batch) = 0;

  // The same from features. With frozen parts before the first trained one.
  virtual absl::StatusOr<std::vector<float>> LogitsOfFeatures(
      absl::Span<const Features> batch) = 0;

  // Replaces the running statistics of the trained parts by the mean over
  // `batches` of batch means and unbiased variances, computed with the weights
  // that Logits() uses. Nothing when norms are kFreeze.
  virtual absl::Status EstimateNorms(
      absl::Span<const std::vector<const Pixels*>> batches) = 0;
  virtual absl::Status EstimateNormsOfFeatures(
      absl::Span<const std::vector<Features>> batches) = 0;

  // What Logits() uses, every entry of the state dict but the counters, in the
  // order of TensorSpecs().
  virtual absl::StatusOr<TensorList> ExportWeights() = 0;

  virtual absl::StatusOr<TrainerState> Save() = 0;
  // INVALID_ARGUMENT (CHECKPOINT_CORRUPT): names or shapes are others.
  virtual absl::Status Restore(const TrainerState& state) = 0;

  // Memory of parameters, gradients, optimiser and means.
  virtual std::int64_t resident_bytes() const = 0;
};

// Makes trainers. Thread-safe.
class TrainerFactory {
 public:
  virtual ~TrainerFactory() = default;

  // A trainer of `network` that begins with `weights` (copied) and normalises
  // pictures by `preprocess`. INVALID_ARGUMENT (RECIPE_INVALID): an option is
  // out of its range. RESOURCE_EXHAUSTED (OUT_OF_MEMORY).
  virtual absl::StatusOr<std::unique_ptr<Trainer>> Create(
      const TrainerOptions& options, const Network& network,
      const Weights& weights, const PreprocessSpec& preprocess) = 0;

  // Library and device, e.g. "LibTorch 2.11.0 on cpu".
  virtual std::string description() const = 0;
};

}  // namespace resnetd
