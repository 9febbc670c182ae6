#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/finetune/trainer.h"
#include "server/nn/batch_input.h"
#include "server/nn/loss.h"
#include "server/nn/optimizer.h"
#include "server/nn/step_memory.h"
#include "server/nn/step_observer.h"
#include "server/nn/torch_resnet.h"
#include "server/nn/trained_tensors.h"
#include "server/nn/trainer_checks.h"

namespace resnetd {

// A Trainer on LibTorch's autograd. Not thread-safe.
//
// Beside the errors of Trainer, and before anything is computed or changed:
// INVALID_ARGUMENT (RECIPE_INVALID) for batches or rates that break its
// preconditions, INVALID_ARGUMENT (REQUEST_INVALID) for a picture of another
// size.
class TorchTrainer final : public Trainer {
 public:
  // The pull of L2-SP is to `weights`, whatever is restored later: a training
  // that goes on is created with the same ones. `dtype`: kFloat, or kDouble to
  // be compared with.
  // Errors as TrainerFactory::Create(), but for the device, which is there.
  static absl::StatusOr<std::unique_ptr<TorchTrainer>> Create(
      const TrainerOptions& options, const Network& network,
      const Weights& weights, const PreprocessSpec& preprocess,
      at::Device device, at::ScalarType dtype = at::kFloat);

  absl::StatusOr<StepReport> Step(absl::Span<const TrainingBatch> batches,
                                  const StepSettings& settings) override;
  absl::StatusOr<std::optional<GradientSample>> PendingSample() override;
  absl::StatusOr<std::vector<float>> Logits(
      absl::Span<const Pixels* const> batch) override;
  absl::StatusOr<std::vector<float>> LogitsOfFeatures(
      absl::Span<const Features> batch) override;
  absl::Status EstimateNorms(
      absl::Span<const std::vector<const Pixels*>> batches) override;
  absl::Status EstimateNormsOfFeatures(
      absl::Span<const std::vector<Features>> batches) override;
  absl::StatusOr<TensorList> ExportWeights() override;
  absl::StatusOr<TrainerState> Save() override;
  absl::Status Restore(const TrainerState& state) override;
  std::int64_t resident_bytes() const override;

  // The tensors that are trained, and those of the optimiser; not copies.
  std::vector<NamedTensor> NetworkState() const { return network_.State(); }
  std::vector<NamedTensor> OptimizerState() const { return optimizer_.State(); }

  // The gradient of the whole step over `batches`, before clipping, one tensor
  // for each trained parameter in the order of the network. Running statistics
  // follow as in Step(); nothing else changes. The errors of Step().
  absl::StatusOr<std::vector<NamedTensor>> Gradients(
      absl::Span<const TrainingBatch> batches);

 private:
  TorchTrainer(const TrainerOptions& options, const Network& network,
               const Weights& weights, const PreprocessSpec& preprocess,
               const at::TensorOptions& placement);

  // What the constructor leaves to do.
  void MakeMeans(const Network& network, const Weights& weights);

  absl::Status CheckBatches(absl::Span<const TrainingBatch> batches) const;
  absl::Status CheckFeatures(absl::Span<const Features> batch) const;
  // Of the network that is trained, from what `input_` makes of
  // the batch.
  at::Tensor Forward(const TrainingBatch& batch, const at::Tensor& input,
                     const TrainingPass& pass) const;
  TrainingPass PassWith(double batch_share) const;
  TrainingPass PassFor(const TrainingBatch& batch) const;

  // The gradient of the whole step, without the pull; empty when the loss is
  // not finite. `observer`: sees it; null: nobody. Adds to the phases.
  std::vector<at::Tensor> Accumulate(absl::Span<const TrainingBatch> batches,
                                     StepReport& report, StepPhases& phases,
                                     StepObserver* observer);
  // Shows `observer` the gradients of parts of a batch that is a whole step.
  // Nothing else changes.
  void ProbeNoise(const TrainingBatch& batch, StepObserver& observer);
  std::unique_ptr<StepObserver> NewObserver(
      absl::Span<const TrainingBatch> batches, const Observation& observation);
  // That of the last step that was observed, if it was not taken yet.
  std::optional<GradientSample> TakePending();
  StepReport RunStep(absl::Span<const TrainingBatch> batches,
                     const StepSettings& settings);
  // The same without telling its phases, which it adds to.
  StepReport RunPhases(absl::Span<const TrainingBatch> batches,
                       const StepSettings& settings, StepPhases& phases);
  // What becomes of a gradient whose norm is finite.
  void Update(absl::Span<const at::Tensor> gradients,
              const StepSettings& settings, const StepObserver* observer,
              StepReport& report);
  void UpdateMeans();
  // `forward(i, pass)` is a pass over batch i of `batches`.
  absl::Status RunEstimateNorms(
      std::size_t batches,
      absl::FunctionRef<void(std::size_t, const TrainingPass&)> forward);

  // The network that answers: of the means, if there are any.
  const TorchResNet& answering() const { return means_ ? *means_ : network_; }
  std::vector<NamedTensor> MeanState() const;

  const TrainerOptions options_;
  const at::TensorOptions placement_;
  const std::size_t first_trained_;  // part
  const BatchInput input_;
  const TorchResNet network_;
  const std::vector<Parameter> parameters_;  // the trained ones
  const ObservedNetwork observed_;
  // Of each of them when it is pulled to it, else undefined.
  const std::vector<at::Tensor> first_values_;
  Optimizer optimizer_;
  const Loss loss_;
  const std::vector<at::Tensor> statistics_;  // running ones that move
  const BatchRules rules_;
  // Present with means: it has parameters of its own for those that are
  // trained and shares every other tensor with network_.
  std::optional<TorchResNet> means_;
  std::vector<at::Tensor> mean_tensors_;  // of parameters_, in means_
  StepMemory memory_;
  std::int64_t steps_ = 0;
  // Of the last step, where its numbers are not waited for.
  std::unique_ptr<StepObserver> pending_;
};

}  // namespace resnetd
