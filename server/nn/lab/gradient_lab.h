#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "server/finetune/gradient_sample.h"
#include "server/finetune/trainer.h"
#include "server/image/preprocess.h"
#include "server/models/architecture.h"
#include "server/models/weights.h"
#include "server/nn/batch_input.h"
#include "server/nn/block_tap.h"
#include "server/nn/lab/lab_network.h"
#include "server/nn/lab/plain_tap.h"
#include "server/nn/loss.h"
#include "server/nn/optimizer.h"
#include "server/nn/step_observer.h"
#include "server/nn/torch_resnet.h"
#include "server/nn/trained_tensors.h"

namespace resnetd {

// What one step of the lab was.
struct LabStep {
  double loss = 0;
  // False: loss or gradient is not, and nothing was changed.
  bool is_finite = true;
  GradientSample sample;
};

// Trains a network of the lab as a TorchTrainer does, on the CPU: networks that
// no trainer takes too, without shortcuts or without batch norms, so that they
// can be compared. Every step is observed by what observes those of jobs. The
// noise is taken apart by depth, the stem included.
//
// Not thread-safe. May throw c10::Error. Computes with as many threads as the
// calling thread does.
class GradientLab {
 public:
  // `network` and `weights` as of LabNetwork() and LabWeights(). `type`: kFloat
  // or kDouble.
  GradientLab(const LabSpec& spec, const Network& network,
              const Weights& weights, const PreprocessSpec& preprocess,
              const OptimizerSettings& optimizer = {},
              at::ScalarType type = at::kFloat);

  // The gradient of the mean loss over `batch`, by statistics of the batch;
  // nothing is changed. sample.step and the updates in it are 0.
  LabStep Look(const TrainingBatch& batch);
  // A step of the optimiser at `rate`; running statistics follow. Train() is
  // the same and has no sample.
  LabStep Step(const TrainingBatch& batch, double rate);
  LabStep Train(const TrainingBatch& batch, double rate);

  // That of Look(), of the parameter `name` of the state dict.
  at::Tensor GradientOf(absl::string_view name, const TrainingBatch& batch);

  // The noise of the gradient from at least two micro-batches, each normed by
  // itself: of the stem, then of each block. Nothing is changed.
  std::vector<GradientNoise> NoiseByDepth(
      absl::Span<const TrainingBatch> parts);

  // Of the network in evaluation mode, or by statistics of the batch:
  // {pictures, classes}, not recorded.
  at::Tensor Logits(absl::Span<const Pixels* const> pictures,
                    bool batch_statistics = false);

  // Every entry of the state dict but the counters; not copies.
  std::vector<NamedTensor> State() const { return network_.State(); }
  Weights ExportWeights() const;

 private:
  TrainingPass PassWith(std::optional<double> batch_share,
                        std::vector<BlockTap*> taps);
  // `rate`: absent, nothing is changed. `observer`: null, nobody looks on.
  LabStep Run(const TrainingBatch& batch, std::optional<double> rate,
              StepObserver* observer);
  // The mean loss; its gradient is with the parameters.
  double Backward(const TrainingBatch& batch, const TrainingPass& pass);
  LabStep Observe(const TrainingBatch& batch, std::optional<double> rate);
  // The number of the stem or of a block in NoiseByDepth(); nullopt: behind
  // all blocks.
  std::optional<std::size_t> PlaceOf(std::size_t parameter) const;

  const bool has_shortcuts_;
  const Network spec_;
  const at::TensorOptions placement_;
  const BatchInput input_;
  const TorchResNet network_;
  const std::vector<Parameter> parameters_;
  const ObservedNetwork observed_;
  const Loss loss_;
  Optimizer optimizer_;
  // Of a pass through a plain twin.
  std::vector<PlainTap> plain_taps_;
  std::int64_t steps_ = 0;
};

}  // namespace resnetd
