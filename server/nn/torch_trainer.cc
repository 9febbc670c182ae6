#include "server/nn/torch_trainer.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <c10/core/GradMode.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "absl/strings/match.h"
#include "server/base/status_macros.h"
#include "server/finetune/network_parts.h"
#include "server/finetune/rate_schedule.h"
#include "server/nn/gradients.h"
#include "server/nn/logits_output.h"
#include "server/nn/path_factors.h"
#include "server/nn/tensor_list.h"
#include "server/nn/torch_status.h"
#include "server/nn/torch_threads.h"

namespace resnetd {
namespace {

bool IsStatistic(absl::string_view name) {
  return absl::EndsWith(name, ".running_mean") ||
         absl::EndsWith(name, ".running_var");
}

// The parameters of the trained parts, made to ask for gradients.
std::vector<Parameter> TrainedParameters(const Network& network,
                                         const std::vector<NamedTensor>& state,
                                         const std::vector<bool>& trained) {
  std::vector<Parameter> parameters;
  for (const NamedTensor& entry : state) {
    const std::size_t part = PartOf(network, entry.name);
    if (trained[part] && !IsStatistic(entry.name)) {
      entry.tensor.set_requires_grad(true);
      // Weights of batch norms and all biases have one dimension.
      parameters.push_back({.name = entry.name,
                            .tensor = entry.tensor,
                            .part = part,
                            .decays = entry.tensor.dim() > 1});
    }
  }
  return parameters;
}

// What L2-SP pulls to: copies of the parameters but those of the head.
std::vector<at::Tensor> FirstValues(const TrainerOptions& options,
                                    const std::vector<Parameter>& parameters) {
  const c10::NoGradGuard unrecorded;
  const std::size_t head = options.trained_parts.size() - 1;
  std::vector<at::Tensor> values(parameters.size());
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (options.l2_sp > 0 && parameters[i].part != head) {
      values[i] = parameters[i].tensor.clone();
    }
  }
  return values;
}

// The running statistics that follow the batches.
std::vector<at::Tensor> MovingStatistics(
    const TrainerOptions& options, const Network& network,
    const std::vector<NamedTensor>& state) {
  std::vector<at::Tensor> statistics;
  for (const NamedTensor& entry : state) {
    if (options.norms == NormStatistics::kTrain && IsStatistic(entry.name) &&
        options.trained_parts[PartOf(network, entry.name)]) {
      statistics.push_back(entry.tensor);
    }
  }
  return statistics;
}

std::vector<bool> TrainedBlocks(const TrainerOptions& options,
                                const Network& network) {
  std::vector<bool> trained;
  for (const ResidualBlock& block : network.blocks) {
    trained.push_back(
        options.trained_parts[static_cast<std::size_t>(block.stage)]);
  }
  return trained;
}

std::size_t FirstTrained(const TrainerOptions& options) {
  const std::vector<bool>& trained = options.trained_parts;
  return static_cast<std::size_t>(
      std::find(trained.begin(), trained.end(), true) - trained.begin());
}

// What part `part` reads; the stem reads pictures, which are no features.
FeatureShape ShapeBefore(std::size_t part, const Network& network, int crop) {
  return part == 0 ? FeatureShape()
                   : ShapeOfFeatures(network, crop, static_cast<int>(part) - 1);
}

std::int64_t BytesOf(const std::vector<at::Tensor>& tensors) {
  std::int64_t bytes = 0;
  for (const at::Tensor& tensor : tensors) {
    bytes += static_cast<std::int64_t>(tensor.defined() ? tensor.nbytes() : 0);
  }
  return bytes;
}

std::vector<at::Tensor> TensorsOf(const std::vector<Parameter>& parameters) {
  std::vector<at::Tensor> tensors;
  tensors.reserve(parameters.size());
  for (const Parameter& parameter : parameters) {
    tensors.push_back(parameter.tensor);
  }
  return tensors;
}

std::vector<at::Tensor> TensorsOf(const std::vector<NamedTensor>& state) {
  std::vector<at::Tensor> tensors;
  tensors.reserve(state.size());
  for (const NamedTensor& entry : state) {
    tensors.push_back(entry.tensor);
  }
  return tensors;
}

}  // namespace

absl::StatusOr<std::unique_ptr<TorchTrainer>> TorchTrainer::Create(
    const TrainerOptions& options, const Network& network,
    const Weights& weights, const PreprocessSpec& preprocess, at::Device device,
    at::ScalarType dtype) {
  RETURN_IF_ERROR(CheckOptions(options, network));
  using Created = absl::StatusOr<std::unique_ptr<TorchTrainer>>;
  return TorchToStatus(
      "set up a training",
      [&]() -> Created {
        UseThreads(options.threads);
        // Not make_unique: the constructor is private.
        std::unique_ptr<TorchTrainer> trainer(
            new TorchTrainer(options, network, weights, preprocess,
                             at::TensorOptions(device).dtype(dtype)));
        if (options.ema > 0) {
          trainer->MakeMeans(network, weights);
        }
        return trainer;
      },
      TorchUse::kTraining);
}

TorchTrainer::TorchTrainer(const TrainerOptions& options,
                           const Network& network, const Weights& weights,
                           const PreprocessSpec& preprocess,
                           const at::TensorOptions& placement)
    : options_(options),
      placement_(placement),
      input_(preprocess, placement.device()),
      first_trained_(FirstTrained(options)),
      feature_input_(ShapeBefore(first_trained_, network, preprocess.crop)),
      network_(network, weights, placement),
      block_is_trained_(TrainedBlocks(options, network)),
      parameters_(
          TrainedParameters(network, network_.State(), options.trained_parts)),
      first_values_(FirstValues(options, parameters_)),
      optimizer_(options.optimizer, parameters_),
      loss_(options.label_smoothing, options.class_weights, placement),
      statistics_(MovingStatistics(options, network, network_.State())),
      rules_{.classes = network.head.out_features,
             .least_examples = statistics_.empty() ? 1U : 2U,
             .has_frozen_beginning = first_trained_ > 0} {}

void TorchTrainer::MakeMeans(const Network& network, const Weights& weights) {
  means_.emplace(network, weights, placement_);
  const std::vector<NamedTensor> state = network_.State();
  const std::vector<NamedTensor> means = means_->State();
  for (std::size_t i = 0; i < state.size(); ++i) {
    if (state[i].tensor.requires_grad()) {
      mean_tensors_.push_back(means[i].tensor);
    } else {
      means[i].tensor.set_data(state[i].tensor);
    }
  }
}

absl::Status TorchTrainer::CheckBatches(
    absl::Span<const TrainingBatch> batches) const {
  if (batches.empty()) {
    return CheckBatch({}, rules_);
  }
  for (const TrainingBatch& batch : batches) {
    RETURN_IF_ERROR(CheckBatch(batch, rules_));
    RETURN_IF_ERROR(input_.Check(batch.pictures));
    RETURN_IF_ERROR(feature_input_.Check(batch.features));
  }
  return absl::OkStatus();
}

at::Tensor TorchTrainer::Input(absl::Span<const Pixels* const> pictures) const {
  return input_.Normalised(pictures).to(placement_.dtype());
}

at::Tensor TorchTrainer::Input(absl::Span<const Features> batch) const {
  return feature_input_.Batch(batch).to(placement_);
}

at::Tensor TorchTrainer::Forward(const TrainingBatch& batch) const {
  at::Tensor input =
      batch.features.empty() ? MixedInput(batch) : Input(batch.features);
  if (options_.precision == TrainingPrecision::kBf16) {
    input = input.to(at::kBFloat16);
  }
  return network_.ForwardFrom(batch.features.empty() ? 0 : first_trained_,
                              input, PassFor(batch));
}

at::Tensor TorchTrainer::MixedInput(const TrainingBatch& batch) const {
  at::Tensor own = Input(batch.pictures);
  if (batch.partners.empty()) {
    return own;
  }
  std::vector<const Pixels*> partners;
  partners.reserve(batch.partners.size());
  for (const int partner : batch.partners) {
    partners.push_back(batch.pictures[static_cast<std::size_t>(partner)]);
  }
  return own.mul(batch.mix).add(Input(partners), 1 - batch.mix);
}

TrainingPass TorchTrainer::PassWith(double batch_share) const {
  TrainingPass pass;
  for (const bool trained : options_.trained_parts) {
    const bool follows = trained && options_.norms == NormStatistics::kTrain;
    pass.norms.push_back(follows ? NormMode{.batch_share = batch_share}
                                 : NormMode{});
  }
  return pass;
}

TrainingPass TorchTrainer::PassFor(const TrainingBatch& batch) const {
  TrainingPass pass = PassWith(kNormMomentum);
  if (options_.stochastic_depth == 0) {
    return pass;
  }
  const auto examples = static_cast<std::int64_t>(batch.labels.size());
  const std::size_t blocks = block_is_trained_.size();
  for (std::size_t i = 0; i < blocks; ++i) {
    const double chance = block_is_trained_[i]
                              ? DropChance(options_.stochastic_depth, i, blocks)
                              : 0;
    pass.path_factors.push_back(
        chance > 0 ? PathFactors(chance, batch.seed, i, examples, placement_)
                   : at::Tensor());
  }
  return pass;
}

absl::StatusOr<StepReport> TorchTrainer::Step(
    absl::Span<const TrainingBatch> batches, const StepSettings& settings) {
  RETURN_IF_ERROR(CheckBatches(batches));
  RETURN_IF_ERROR(CheckRates(settings.rates, options_.trained_parts));
  return TorchToStatus(
      "train a step",
      [&] {
        const StepMemory::Scope scope(memory_);
        auto report = RunStep(batches, settings);
        memory_.TrimUnused();
        return report;
      },
      TorchUse::kTraining);
}

bool TorchTrainer::Accumulate(absl::Span<const TrainingBatch> batches,
                              StepReport& report) {
  const c10::AutoGradMode recorded(true);
  double weight = 0;
  for (const TrainingBatch& batch : batches) {
    weight += loss_.Weight(batch);
    report.examples += static_cast<int>(batch.labels.size());
  }
  for (const TrainingBatch& batch : batches) {
    const at::Tensor logits = Forward(batch);
    const at::Tensor loss = loss_.Sum(logits, batch).div(weight);
    report.loss += loss.item<double>();
    if (!std::isfinite(report.loss)) {
      TakeGradients(parameters_);
      return false;
    }
    report.correct += CountCorrect(logits, batch);
    loss.backward();
  }
  return true;
}

absl::StatusOr<StepReport> TorchTrainer::RunStep(
    absl::Span<const TrainingBatch> batches, const StepSettings& settings) {
  UseThreads(options_.threads);
  StepReport report;
  report.is_finite = Accumulate(batches, report);
  if (!report.is_finite) {
    return report;
  }
  const std::vector<at::Tensor> gradients = TakeGradients(parameters_);
  AddPull(gradients, parameters_, first_values_, options_.l2_sp);
  report.gradient_norm = NormOf(gradients);
  report.is_finite = std::isfinite(report.gradient_norm);
  if (!report.is_finite) {
    return report;
  }
  if (settings.by_gradients) {
    report.parts =
        NormsByPart(gradients, parameters_, options_.trained_parts.size());
  }
  if (options_.clip_norm > 0) {
    Clip(gradients, report.gradient_norm, options_.clip_norm);
  }
  ++steps_;
  optimizer_.Step(gradients, ScaleByGradients(settings.rates, report.parts),
                  steps_);
  UpdateMeans();
  return report;
}

void TorchTrainer::UpdateMeans() {
  const c10::NoGradGuard unrecorded;
  for (std::size_t i = 0; i < mean_tensors_.size(); ++i) {
    mean_tensors_[i].lerp_(parameters_[i].tensor, 1 - options_.ema);
  }
}

absl::StatusOr<std::vector<NamedTensor>> TorchTrainer::Gradients(
    absl::Span<const TrainingBatch> batches) {
  RETURN_IF_ERROR(CheckBatches(batches));
  return TorchToStatus(
      "compute gradients",
      [&]() -> absl::StatusOr<std::vector<NamedTensor>> {
        UseThreads(options_.threads);
        StepReport ignored;
        Accumulate(batches, ignored);
        const std::vector<at::Tensor> gradients = TakeGradients(parameters_);
        AddPull(gradients, parameters_, first_values_, options_.l2_sp);
        std::vector<NamedTensor> named;
        for (std::size_t i = 0; i < gradients.size(); ++i) {
          named.push_back({parameters_[i].name, gradients[i]});
        }
        return named;
      },
      TorchUse::kTraining);
}

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
        return FiniteLogits(answering().Forward(Input(batch)));
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
            answering().ForwardFrom(first_trained_, Input(batch)));
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
  return feature_input_.Check(batch);
}

absl::Status TorchTrainer::EstimateNorms(
    absl::Span<const std::vector<const Pixels*>> batches) {
  for (const std::vector<const Pixels*>& batch : batches) {
    RETURN_IF_ERROR(CheckBatch(
        {.pictures = batch, .labels = std::vector<int>(batch.size())}, rules_));
    RETURN_IF_ERROR(input_.Check(batch));
  }
  return RunEstimateNorms(batches.size(),
                          [&](std::size_t i, const TrainingPass& pass) {
                            answering().Forward(Input(batches[i]), pass);
                          });
}

absl::Status TorchTrainer::EstimateNormsOfFeatures(
    absl::Span<const std::vector<Features>> batches) {
  for (const std::vector<Features>& batch : batches) {
    RETURN_IF_ERROR(CheckBatch(
        {.features = batch, .labels = std::vector<int>(batch.size())}, rules_));
    RETURN_IF_ERROR(feature_input_.Check(batch));
  }
  return RunEstimateNorms(
      batches.size(), [&](std::size_t i, const TrainingPass& pass) {
        answering().ForwardFrom(first_trained_, Input(batches[i]), pass);
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

absl::StatusOr<TensorList> TorchTrainer::ExportWeights() {
  return TorchToStatus(
      "export the weights",
      [&]() -> absl::StatusOr<TensorList> {
        return ToPlain(answering().State());
      },
      TorchUse::kTraining);
}

std::vector<NamedTensor> TorchTrainer::MeanState() const {
  std::vector<NamedTensor> state;
  for (std::size_t i = 0; i < mean_tensors_.size(); ++i) {
    state.push_back({parameters_[i].name, mean_tensors_[i]});
  }
  return state;
}

absl::StatusOr<TrainerState> TorchTrainer::Save() {
  return TorchToStatus(
      "save the state of the training",
      [&]() -> absl::StatusOr<TrainerState> {
        return TrainerState{.weights = ToPlain(network_.State()),
                            .optimizer = ToPlain(optimizer_.State()),
                            .means = ToPlain(MeanState()),
                            .steps = steps_};
      },
      TorchUse::kTraining);
}

absl::Status TorchTrainer::Restore(const TrainerState& state) {
  return TorchToStatus(
      "restore the state of the training",
      [&]() -> absl::Status {
        const std::vector<NamedTensor> weights = network_.State();
        const std::vector<NamedTensor> optimizer = optimizer_.State();
        const std::vector<NamedTensor> means = MeanState();
        // All is checked before anything is changed.
        RETURN_IF_ERROR(CheckFits(state.weights, weights, "weights"));
        RETURN_IF_ERROR(CheckFits(state.optimizer, optimizer, "moments"));
        RETURN_IF_ERROR(CheckFits(state.means, means, "means"));
        CopyInto(state.weights, weights);
        CopyInto(state.optimizer, optimizer);
        CopyInto(state.means, means);
        // What a step that failed in the middle may have left.
        TakeGradients(parameters_);
        steps_ = state.steps;
        return absl::OkStatus();
      },
      TorchUse::kTraining);
}

std::int64_t TorchTrainer::resident_bytes() const {
  const std::int64_t gradients = BytesOf(TensorsOf(parameters_));
  return network_.state_bytes() + gradients +
         BytesOf(TensorsOf(optimizer_.State())) + BytesOf(first_values_) +
         BytesOf(mean_tensors_);
}

}  // namespace resnetd
