// What a TorchTrainer answers, and how it gets the statistics to do so: nothing
// here is recorded by autograd.
#include <ATen/core/Tensor.h>
#include <c10/core/GradMode.h>
#include <c10/core/InferenceMode.h>

#include <cstddef>
#include <vector>

#include "server/base/status_macros.h"
#include "server/nn/logits_output.h"
#include "server/nn/torch_status.h"
#include "server/nn/torch_threads.h"
#include "server/nn/torch_trainer.h"

namespace resnetd {

absl::StatusOr<std::vector<float>> TorchTrainer::Logits(
    absl::Span<const Pixels* const> batch) {
  RETURN_IF_ERROR(input_.Check(batch));
  if (batch.empty()) {
    return std::vector<float>();
  }
  return TorchToStatus(
      "evaluate a batch",
      [&] {
        const c10::InferenceMode inference_mode;
        UseThreads(options_.threads);
        return FiniteLogits(answering().Forward(input_.Of(batch)));
      },
      TorchUse::kTraining);
}

absl::StatusOr<std::vector<float>> TorchTrainer::LogitsOfFeatures(
    absl::Span<const Features> batch) {
  RETURN_IF_ERROR(CheckFeatures(batch));
  if (batch.empty()) {
    return std::vector<float>();
  }
  return TorchToStatus(
      "evaluate a batch",
      [&] {
        const c10::InferenceMode inference_mode;
        UseThreads(options_.threads);
        return FiniteLogits(
            answering().ForwardFrom(first_trained_, input_.Of(batch)));
      },
      TorchUse::kTraining);
}

absl::Status TorchTrainer::CheckFeatures(
    absl::Span<const Features> batch) const {
  const TrainingBatch whole{.features = {batch.begin(), batch.end()},
                            .labels = std::vector<int>(batch.size())};
  BatchRules rules = rules_;
  rules.least_examples = 0;
  RETURN_IF_ERROR(CheckBatch(whole, rules));
  return input_.Check(batch);
}

absl::Status TorchTrainer::EstimateNorms(
    absl::Span<const std::vector<const Pixels*>> batches) {
  for (const std::vector<const Pixels*>& batch : batches) {
    RETURN_IF_ERROR(CheckBatch(
        {.pictures = batch, .labels = std::vector<int>(batch.size())}, rules_));
    RETURN_IF_ERROR(input_.Check(batch));
  }
  return RunEstimateNorms(
      batches.size(), [&](std::size_t i, const TrainingPass& pass) {
        answering().Forward(input_.Of(absl::MakeConstSpan(batches[i])), pass);
      });
}

absl::Status TorchTrainer::EstimateNormsOfFeatures(
    absl::Span<const std::vector<Features>> batches) {
  for (const std::vector<Features>& batch : batches) {
    RETURN_IF_ERROR(CheckBatch(
        {.features = batch, .labels = std::vector<int>(batch.size())}, rules_));
    RETURN_IF_ERROR(input_.Check(batch));
  }
  return RunEstimateNorms(
      batches.size(), [&](std::size_t i, const TrainingPass& pass) {
        answering().ForwardFrom(
            first_trained_, input_.Of(absl::MakeConstSpan(batches[i])), pass);
      });
}

absl::Status TorchTrainer::RunEstimateNorms(
    std::size_t batches,
    absl::FunctionRef<void(std::size_t, const TrainingPass&)> forward) {
  if (batches == 0 || statistics_.empty()) {
    return absl::OkStatus();
  }
  return TorchToStatus(
      "estimate the statistics of batch norms",
      [&] {
        const c10::NoGradGuard unrecorded;
        UseThreads(options_.threads);
        // What is not finite would stay so with a share of 0, too.
        for (const at::Tensor& statistic : statistics_) {
          statistic.zero_();
        }
        for (std::size_t i = 0; i < batches; ++i) {
          // Shares of 1, 1/2, 1/3, ... make the running value the mean so far.
          forward(i, PassWith(1 / static_cast<double>(i + 1)));
        }
        return absl::OkStatus();
      },
      TorchUse::kTraining);
}

}  // namespace resnetd
