#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "server/finetune/gradient_probe.h"
#include "server/finetune/trainer.h"
#include "server/image/preprocess.h"
#include "server/models/architecture.h"
#include "server/models/weights.h"
#include "server/nn/batch_input.h"
#include "server/nn/block_tap.h"
#include "server/nn/loss.h"
#include "server/nn/torch_resnet.h"

namespace resnetd {

// Takes the gradients of a network apart, on the CPU in double precision, and
// checks them against computations of another kind. Owns a copy of the weights,
// which never changes.
//
// Not thread-safe.
class GradientProbe {
 public:
  // INVALID_ARGUMENT (RECIPE_INVALID): it has no residual blocks.
  // RESOURCE_EXHAUSTED (OUT_OF_MEMORY), INTERNAL (the library failed).
  static absl::StatusOr<std::unique_ptr<GradientProbe>> Create(
      const Network& network, const Weights& weights,
      const PreprocessSpec& preprocess);

  // Of the pictures and labels of `batch`; mixup and features are not for
  // probes. `go_on` is asked before each pass through the network; empty: it
  // does. INVALID_ARGUMENT (RECIPE_INVALID): as Trainer::Step() of such a
  // batch, or `settings` are out of their range; the errors of `go_on` and of
  // Create().
  absl::StatusOr<ProbeReport> Probe(const TrainingBatch& batch,
                                    const ProbeSettings& settings,
                                    const ProbeGoOn& go_on = {}) const;

 private:
  // One pass through the network.
  class Pass;
  // Asks between passes.
  class Pace;

  GradientProbe(const Network& network, const Weights& weights,
                const PreprocessSpec& preprocess);

  ProbeReport RunProbe(const TrainingBatch& batch,
                       const ProbeSettings& settings, Pace& pace) const;
  // How far `gradient`, by what one path of a block reads, is from the central
  // difference of the loss along it.
  static double Difference(const Pass& pass, std::size_t block,
                           WatchingTap::Place path, const at::Tensor& gradient);
  // `before_last`: the whole gradient of parameters_.
  ParameterSplit Split(const Pass& pass, std::size_t block,
                       const at::Tensor& before_last) const;
  static PathDistribution Distribution(const Pass& pass,
                                       const ProbeSettings& settings);
  // The gradient of the parameters before `block`, in one row, when only the
  // paths that are kept pass one on there.
  at::Tensor GradientBefore(const Pass& pass, std::size_t block,
                            bool keeps_main, bool keeps_shortcut) const;

  const Network spec_;
  const at::TensorOptions placement_;
  const BatchInput input_;
  const TorchResNet network_;
  const Loss loss_;
  // Parameters of the stem and of all blocks but the last, in order, and for
  // each block how many of them lie before it.
  std::vector<at::Tensor> parameters_;
  std::vector<std::size_t> before_;
};

}  // namespace resnetd
