#include "server/nn/torch_model.h"

#include <c10/core/InferenceMode.h>

#include <utility>

#include "server/base/status_macros.h"
#include "server/nn/logits_output.h"
#include "server/nn/torch_status.h"
#include "server/nn/torch_threads.h"

namespace resnetd {

absl::StatusOr<std::unique_ptr<TorchModel>> TorchModel::Create(
    const ModelPackage& package, c10::Device device, int threads) {
  using Created = absl::StatusOr<std::unique_ptr<TorchModel>>;
  return TorchToStatus("load a model", [&]() -> Created {
    // Not make_unique: the constructor is private.
    return std::unique_ptr<TorchModel>(
        new TorchModel(package, device, threads));
  });
}

TorchModel::TorchModel(const ModelPackage& package, c10::Device device,
                       int threads)
    : threads_(threads),
      input_(package.facts.preprocess, device),
      network_(package.network, package.weights, device) {}

absl::StatusOr<std::vector<float>> TorchModel::Logits(
    absl::Span<const Pixels* const> batch) const {
  ASSIGN_OR_RETURN(ModelOutput output, Compute(InputsOf(batch), false));
  return std::move(output.logits);
}

absl::StatusOr<ModelOutput> TorchModel::Compute(
    absl::Span<const ModelInput> batch, bool want_features) const {
  RETURN_IF_ERROR(input_.Check(batch));
  if (batch.empty()) {
    return ModelOutput();
  }
  return TorchToStatus("classify a batch",
                       [&] { return Run(batch, want_features); });
}

absl::StatusOr<ModelOutput> TorchModel::Run(absl::Span<const ModelInput> batch,
                                            bool want_features) const {
  const c10::InferenceMode inference_mode;
  UseThreads(threads_);
  const at::Tensor average = network_.Average(input_.Normalised(batch));
  ModelOutput output;
  ASSIGN_OR_RETURN(output.logits, FiniteLogits(network_.Head(average)));
  if (want_features) {
    ASSIGN_OR_RETURN(output.features, FiniteLogits(average));
  }
  return output;
}

}  // namespace resnetd
