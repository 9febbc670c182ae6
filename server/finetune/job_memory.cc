#include "server/finetune/job_memory.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/base/error.h"
#include "server/finetune/network_parts.h"
#include "server/finetune/trainer.h"
#include "server/models/memory_estimate.h"

namespace resnetd {
namespace {

// Outputs of a layer that the backward pass needs: that of the convolution, for
// the batch norm, and that of the batch norm, for ReLU and the next layer.
constexpr std::int64_t kKeptOutputs = 2;
// Largest outputs that are in hand at a time: input, output, and the gradients
// of both.
constexpr std::int64_t kBuffers = 4;
constexpr std::int64_t kChannels = 3;

// Values that the convolutions give for one picture.
struct Outputs {
  std::int64_t kept = 0;
  std::int64_t largest = 0;
};

class OutputCounter {
 public:
  OutputCounter(const Network& network, const std::vector<bool>& trained)
      : network_(network), trained_(trained) {}

  Outputs Count(std::int64_t side) {
    side = Add(network_.stem.conv, side);
    if (network_.max_pool) {
      side = Halved(side, 2);
    }
    for (const ResidualBlock& block : network_.blocks) {
      const std::int64_t input_side = side;
      for (const ConvUnit& unit : block.main_path) {
        side = Add(unit.conv, side);
      }
      if (block.shortcut) {
        Add(block.shortcut->conv, input_side);
      }
    }
    return outputs_;
  }

 private:
  static std::int64_t Halved(std::int64_t side, int stride) {
    return (side + stride - 1) / stride;
  }

  std::int64_t Add(const ConvLayer& conv, std::int64_t side) {
    side = Halved(side, conv.stride);
    const std::int64_t values = conv.out_channels * side * side;
    outputs_.largest = std::max(outputs_.largest, values);
    // From the first trained part on.
    is_kept_ |= trained_[PartOf(network_, conv.name + ".weight")];
    outputs_.kept += is_kept_ ? values : 0;
    return side;
  }

  const Network& network_;
  const std::vector<bool>& trained_;
  Outputs outputs_;
  bool is_kept_ = false;
};

std::int64_t BytesOf(const std::vector<PlannedExample>& examples) {
  std::int64_t bytes = 0;
  for (const PlannedExample& example : examples) {
    bytes += kChannels * example.row.width * example.row.height;
  }
  return bytes;
}

std::int64_t NetworkBytes(const Recipe& recipe, const Network& network) {
  const std::int64_t states =
      recipe.optimizer.kind == OptimizerKind::kAdamW ? 2 : 1;
  const std::int64_t means = recipe.ema > 0 ? 1 : 0;
  // Begun with, trained, their gradients; once more in a checkpoint.
  const std::int64_t copies =
      3 + (recipe.l2_sp > 0 ? 1 : 0) + states + means + (1 + states + means);
  return copies * FloatBytes(network);
}

// `activations`: of one part of a batch.
std::int64_t ObservationBytes(const Recipe& recipe, const Network& network,
                              std::int64_t activations,
                              const ObservationSpec& observation) {
  if (observation.probe_every <= 0) {
    return 0;
  }
  if (recipe.accumulation > 1) {
    return FloatBytes(network);
  }
  if (!observation.snr) {
    return 0;
  }
  const std::int64_t part =
      (recipe.batch_size + kNoiseBatches - 1) / kNoiseBatches;
  return FloatBytes(network) + activations * part / recipe.batch_size;
}

std::string Mebibytes(std::int64_t bytes) {
  return absl::StrFormat("%.1f MiB", static_cast<double>(bytes) / (1 << 20));
}

}  // namespace

TrainingMemory EstimateMemoryOf(const JobPlan& plan,
                                const ObservationSpec& observation,
                                std::int64_t max_picture_bytes) {
  const Recipe& recipe = plan.recipe;
  const Network network = BuildNetwork(plan.architecture);
  const std::int64_t part =
      (recipe.batch_size + recipe.accumulation - 1) / recipe.accumulation;
  TrainingMemory memory{.network = NetworkBytes(recipe, network)};
  for (const TrainingPhase& phase : recipe.phases) {
    const Outputs outputs =
        OutputCounter(network, phase.trained_parts).Count(plan.preprocess.crop);
    memory.activations =
        std::max(memory.activations,
                 (kKeptOutputs * outputs.kept + kBuffers * outputs.largest) *
                     part * static_cast<std::int64_t>(sizeof(float)));
  }
  memory.observation =
      ObservationBytes(recipe, network, memory.activations, observation);
  // Those of the validation are kept as the network sees them, beside the
  // decoded ones while they are made.
  const std::int64_t crop = plan.preprocess.crop;
  memory.pictures =
      std::min(BytesOf(plan.train) + BytesOf(plan.replay), max_picture_bytes) +
      std::min(BytesOf(plan.validation), max_picture_bytes) +
      kChannels * crop * crop *
          static_cast<std::int64_t>(plan.validation.size());
  return memory;
}

absl::Status CheckTrainingMemory(const TrainingMemory& needed,
                                 std::optional<std::int64_t> available) {
  if (!available || needed.total() <= *available) {
    return absl::OkStatus();
  }
  return Error(absl::StatusCode::kResourceExhausted, Reason::kOutOfMemory,
               absl::StrCat(
                   "the training needs about ", Mebibytes(needed.total()),
                   " of memory (network ", Mebibytes(needed.network),
                   ", activations ", Mebibytes(needed.activations),
                   ", pictures ", Mebibytes(needed.pictures), ", observation ",
                   Mebibytes(needed.observation), "), ", Mebibytes(*available),
                   " are there: raise recipe.accumulation, lower "
                   "recipe.batch_size, train fewer layers, or set "
                   "observation.snr to off"))
      .Metadata("needed", absl::StrCat(needed.total()))
      .Metadata("free", absl::StrCat(*available));
}

}  // namespace resnetd
