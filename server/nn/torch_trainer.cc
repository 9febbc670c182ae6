#include "server/nn/torch_trainer.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <c10/core/GradMode.h>

#include <cmath>
#include <utility>

#include "server/base/status_macros.h"
#include "server/finetune/network_parts.h"
#include "server/finetune/rate_schedule.h"
#include "server/nn/gradient_noise.h"
#include "server/nn/gradients.h"
#include "server/nn/path_factors.h"
#include "server/nn/stopwatch.h"
#include "server/nn/tensor_list.h"
#include "server/nn/torch_status.h"
#include "server/nn/torch_threads.h"

namespace resnetd {
namespace {

// What part `part` reads; the stem reads pictures, which are no features.
FeatureShape ShapeBefore(std::size_t part, const Network& network, int crop) {
  return part == 0 ? FeatureShape()
                   : ShapeOfFeatures(network, crop, static_cast<int>(part) - 1);
}

const at::Tensor& TensorOf(const at::Tensor& tensor) { return tensor; }
template <typename Entry>
const at::Tensor& TensorOf(const Entry& entry) {
  return entry.tensor;
}

template <typename Entries>
std::int64_t BytesOf(const Entries& entries) {
  std::int64_t bytes = 0;
  for (const auto& entry : entries) {
    const at::Tensor& tensor = TensorOf(entry);
    bytes += static_cast<std::int64_t>(tensor.defined() ? tensor.nbytes() : 0);
  }
  return bytes;
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
      first_trained_(FirstTrained(options)),
      input_(preprocess, ShapeBefore(first_trained_, network, preprocess.crop),
             placement),
      network_(network, weights, placement),
      parameters_(
          TrainedParameters(network, network_.State(), options.trained_parts)),
      observed_(Observed(options, network, network_.State(), parameters_)),
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
    RETURN_IF_ERROR(input_.Check(absl::MakeConstSpan(batch.pictures)));
    RETURN_IF_ERROR(input_.Check(absl::MakeConstSpan(batch.features)));
  }
  return absl::OkStatus();
}

at::Tensor TorchTrainer::Forward(const TrainingBatch& batch,
                                 const at::Tensor& input,
                                 const TrainingPass& pass) const {
  const bool is_bf16 = options_.precision == TrainingPrecision::kBf16;
  return network_.ForwardFrom(batch.features.empty() ? 0 : first_trained_,
                              is_bf16 ? input.to(at::kBFloat16) : input, pass);
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
  const std::size_t blocks = observed_.trained.size();
  for (std::size_t i = 0; i < blocks; ++i) {
    const double chance = observed_.trained[i]
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
        StepReport report = RunStep(batches, settings);
        memory_.TrimUnused();
        return absl::StatusOr<StepReport>(std::move(report));
      },
      TorchUse::kTraining);
}

std::vector<at::Tensor> TorchTrainer::Accumulate(
    absl::Span<const TrainingBatch> batches, StepReport& report,
    StepPhases& phases, StepObserver* observer) {
  const c10::AutoGradMode recorded(true);
  double weight = 0;
  for (const TrainingBatch& batch : batches) {
    weight += loss_.Weight(batch);
    report.examples += static_cast<int>(batch.labels.size());
  }
  // Of the batches so far, where each of them is looked at.
  std::vector<at::Tensor> sums;
  const bool by_batch = observer != nullptr && batches.size() > 1;
  Stopwatch watch;
  for (std::size_t i = 0; i < batches.size(); ++i) {
    TrainingPass pass = PassFor(batches[i]);
    if (observer != nullptr) {
      pass.taps = observer->TapsOf(i);
    }
    const at::Tensor logits = Forward(batches[i], input_.Of(batches[i]), pass);
    const at::Tensor loss = loss_.Sum(logits, batches[i]).div(weight);
    report.loss += loss.item<double>();
    phases.forward += watch.Lap();
    if (pending_ != nullptr) {
      // All that was computed before the loss is there, too.
      report.sample = TakePending();
      phases.probe += watch.Lap();
    }
    if (!std::isfinite(report.loss)) {
      TakeGradients(parameters_);
      return {};
    }
    report.correct += CountCorrect(logits, batches[i]);
    loss.backward();
    if (by_batch) {
      const std::vector<at::Tensor> own = TakeGradients(parameters_);
      phases.backward += watch.Lap();
      observer->TakePart(own, static_cast<int>(batches[i].labels.size()));
      phases.probe += watch.Lap();
      AddUp(own, sums);
    }
    phases.backward += watch.Lap();
  }
  return by_batch ? sums : TakeGradients(parameters_);
}

void TorchTrainer::ProbeNoise(const TrainingBatch& batch,
                              StepObserver& observer) {
  const std::vector<Rows> parts =
      NoiseParts(batch.labels.size(), rules_.least_examples);
  if (parts.empty()) {
    return;
  }
  const c10::AutoGradMode recorded(true);
  const at::Tensor input = input_.Of(batch);
  const TrainingPass whole = PassFor(batch);
  const double weight = loss_.Weight(batch);
  std::vector<at::Tensor> sums;
  for (const Rows rows : parts) {
    const auto narrow = [rows](const at::Tensor& tensor) {
      return tensor.defined()
                 ? tensor.narrow(0, static_cast<std::int64_t>(rows.first),
                                 static_cast<std::int64_t>(rows.count))
                 : tensor;
    };
    TrainingPass pass = PassWith(/*batch_share=*/0);
    for (const at::Tensor& factors : whole.path_factors) {
      pass.path_factors.push_back(narrow(factors));
    }
    const at::Tensor logits = Forward(batch, narrow(input), pass);
    loss_.Sum(logits, batch, rows).div(weight).backward();
    const std::vector<at::Tensor> own = TakeGradients(parameters_);
    observer.TakePart(own, static_cast<int>(rows.count));
    AddUp(own, sums);
  }
  observer.TakeSumOfParts(sums);
}

std::unique_ptr<StepObserver> TorchTrainer::NewObserver(
    absl::Span<const TrainingBatch> batches, const Observation& observation) {
  auto observer = std::make_unique<StepObserver>(observed_, observation,
                                                 batches.size(), placement_);
  if (observation.noise && batches.size() == 1) {
    // First, so that nothing of the step is in memory yet.
    ProbeNoise(batches.front(), *observer);
  }
  return observer;
}

std::optional<GradientSample> TorchTrainer::TakePending() {
  const std::unique_ptr<StepObserver> observer = std::move(pending_);
  return observer == nullptr ? std::nullopt
                             : std::make_optional(observer->Sample());
}

absl::StatusOr<std::optional<GradientSample>> TorchTrainer::PendingSample() {
  return TorchToStatus(
      "read what a step showed",
      [&]() -> absl::StatusOr<std::optional<GradientSample>> {
        return TakePending();
      },
      TorchUse::kTraining);
}

StepReport TorchTrainer::RunStep(absl::Span<const TrainingBatch> batches,
                                 const StepSettings& settings) {
  UseThreads(options_.threads);
  StepPhases phases;
  StepReport report = RunPhases(batches, settings, phases);
  report.phases = phases;
  return report;
}

StepReport TorchTrainer::RunPhases(absl::Span<const TrainingBatch> batches,
                                   const StepSettings& settings,
                                   StepPhases& phases) {
  StepReport report;
  Stopwatch watch;
  std::unique_ptr<StepObserver> observer;
  if (settings.observe) {
    observer = NewObserver(batches, *settings.observe);
    phases.probe += watch.Lap();
  }
  const std::vector<at::Tensor> gradients =
      Accumulate(batches, report, phases, observer.get());
  report.is_finite = !gradients.empty();
  if (!report.is_finite) {
    return report;
  }
  std::optional<double> norm;
  watch.Lap();
  if (observer != nullptr) {
    phases.forward -= observer->forward_time();
    phases.backward -= observer->backward_time();
    phases.probe += observer->forward_time() + observer->backward_time();
    norm = observer->TakeStep(gradients, report.examples);
    phases.probe += watch.Lap();
  }
  AddPull(gradients, parameters_, first_values_, options_.l2_sp);
  report.gradient_norm =
      norm && options_.l2_sp == 0 ? *norm : NormOf(gradients);
  phases.backward += watch.Lap();
  report.is_finite = std::isfinite(report.gradient_norm);
  if (!report.is_finite) {
    return report;
  }
  Update(gradients, settings, observer.get(), report);
  phases.optimizer += watch.Lap();
  pending_ = std::move(observer);
  if (placement_.device().is_cpu() && pending_ != nullptr) {
    report.sample = TakePending();
    phases.probe += watch.Lap();
  }
  return report;
}

void TorchTrainer::Update(absl::Span<const at::Tensor> gradients,
                          const StepSettings& settings,
                          const StepObserver* observer, StepReport& report) {
  if (settings.by_gradients) {
    report.parts =
        NormsByPart(gradients, parameters_, options_.trained_parts.size());
  }
  if (options_.clip_norm > 0) {
    Clip(gradients, report.gradient_norm, options_.clip_norm);
  }
  ++steps_;
  const std::vector<double> rates =
      ScaleByGradients(settings.rates, report.parts);
  if (observer == nullptr) {
    optimizer_.Step(gradients, rates, steps_);
  } else {
    const StepNorms norms = observer->step_norms();
    optimizer_.Step(gradients, rates, steps_, &norms);
  }
  UpdateMeans();
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
        StepPhases phases;
        std::vector<at::Tensor> gradients =
            Accumulate(batches, ignored, phases, /*observer=*/nullptr);
        if (gradients.empty()) {  // The loss is not finite.
          gradients = TakeGradients(parameters_);
        }
        AddPull(gradients, parameters_, first_values_, options_.l2_sp);
        std::vector<NamedTensor> named;
        for (std::size_t i = 0; i < gradients.size(); ++i) {
          named.push_back({parameters_[i].name, gradients[i]});
        }
        return named;
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
        pending_.reset();
        steps_ = state.steps;
        return absl::OkStatus();
      },
      TorchUse::kTraining);
}

std::int64_t TorchTrainer::resident_bytes() const {
  const std::int64_t gradients = BytesOf(parameters_);
  return network_.state_bytes() + gradients + BytesOf(optimizer_.State()) +
         BytesOf(first_values_) + BytesOf(mean_tensors_);
}

}  // namespace resnetd
