#include "server/nn/lab/gradient_lab.h"

#include <ATen/core/Tensor.h>
#include <c10/core/GradMode.h>

#include <cmath>
#include <cstddef>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "server/finetune/network_parts.h"
#include "server/nn/gradient_noise.h"
#include "server/nn/gradients.h"

namespace resnetd {
namespace {

std::vector<bool> AllParts(const Network& network) {
  return std::vector<bool>(PartNames(network).size(), true);
}

double SquaredNormOf(const at::Tensor& gradient) {
  const double norm = gradient.to(at::kDouble).norm().item<double>();
  return norm * norm;
}

}  // namespace

GradientLab::GradientLab(const LabSpec& spec, const Network& network,
                         const Weights& weights,
                         const PreprocessSpec& preprocess,
                         const OptimizerSettings& optimizer,
                         at::ScalarType type)
    : has_shortcuts_(spec.has_shortcuts),
      spec_(network),
      placement_(at::TensorOptions(at::kCPU).dtype(type)),
      input_(preprocess, FeatureShape(), placement_),
      network_(network, weights, placement_),
      parameters_(
          TrainedParameters(network, network_.State(), AllParts(network))),
      observed_(Observed({.trained_parts = AllParts(network)}, network,
                         network_.State(), parameters_)),
      loss_(/*label_smoothing=*/0, /*class_weights=*/{}, placement_),
      optimizer_(optimizer, parameters_) {}

TrainingPass GradientLab::PassWith(std::optional<double> batch_share,
                                   std::vector<BlockTap*> taps) {
  TrainingPass pass;
  pass.norms.assign(PartNames(spec_).size(), NormMode{batch_share});
  pass.taps = std::move(taps);
  if (!has_shortcuts_) {
    pass.taps.resize(spec_.blocks.size(), nullptr);
    plain_taps_.clear();
    plain_taps_.reserve(pass.taps.size());
    for (BlockTap*& tap : pass.taps) {
      tap = &plain_taps_.emplace_back(tap);
    }
  }
  return pass;
}

double GradientLab::Backward(const TrainingBatch& batch,
                             const TrainingPass& pass) {
  const c10::AutoGradMode recorded(true);
  const at::Tensor loss =
      loss_.Sum(network_.Forward(input_.Of(batch), pass), batch)
          .div(static_cast<double>(batch.labels.size()));
  loss.backward();
  return loss.item<double>();
}

at::Tensor GradientLab::GradientOf(absl::string_view name,
                                   const TrainingBatch& batch) {
  Backward(batch, PassWith(/*batch_share=*/0, {}));
  const std::vector<at::Tensor> gradients = TakeGradients(parameters_);
  at::Tensor found;
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    if (parameters_[i].name == name) {
      found = gradients[i];
    }
  }
  return found;
}

LabStep GradientLab::Run(const TrainingBatch& batch, std::optional<double> rate,
                         StepObserver* observer) {
  LabStep step{.loss = Backward(batch, PassWith(rate ? kNormMomentum : 0,
                                                observer == nullptr
                                                    ? std::vector<BlockTap*>()
                                                    : observer->TapsOf(0))),
               .is_finite = true,
               .sample = {}};
  const std::vector<at::Tensor> gradients = TakeGradients(parameters_);
  StepNorms norms;
  if (observer != nullptr) {
    observer->TakeStep(gradients, static_cast<int>(batch.labels.size()));
    observer->TakeWeights(parameters_);
    norms = observer->step_norms();
  }
  step.is_finite = std::isfinite(step.loss) && std::isfinite(NormOf(gradients));
  if (rate && step.is_finite) {
    const std::vector<double> rates(PartNames(spec_).size(), *rate);
    optimizer_.Step(gradients, rates, ++steps_,
                    observer == nullptr ? nullptr : &norms);
  }
  return step;
}

LabStep GradientLab::Observe(const TrainingBatch& batch,
                             std::optional<double> rate) {
  StepObserver observer(observed_, {.step = rate ? steps_ + 1 : 0},
                        /*passes=*/1, placement_);
  LabStep step = Run(batch, rate, &observer);
  step.sample = observer.Sample();
  return step;
}

LabStep GradientLab::Look(const TrainingBatch& batch) {
  return Observe(batch, std::nullopt);
}

LabStep GradientLab::Step(const TrainingBatch& batch, double rate) {
  return Observe(batch, rate);
}

LabStep GradientLab::Train(const TrainingBatch& batch, double rate) {
  return Run(batch, rate, /*observer=*/nullptr);
}

std::optional<std::size_t> GradientLab::PlaceOf(std::size_t parameter) const {
  const std::size_t block = observed_.block_of[parameter];
  if (block < spec_.blocks.size()) {
    return block + 1;
  }
  return parameters_[parameter].part == 0 ? std::make_optional<std::size_t>(0)
                                          : std::nullopt;
}

std::vector<GradientNoise> GradientLab::NoiseByDepth(
    absl::Span<const TrainingBatch> parts) {
  const c10::AutoGradMode recorded(true);
  double examples = 0;
  for (const TrainingBatch& part : parts) {
    examples += static_cast<double>(part.labels.size());
  }
  const std::size_t places = spec_.blocks.size() + 1;
  const auto squares_by_place = [&](const std::vector<at::Tensor>& gradients) {
    std::vector<double> squares(places);
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      if (const std::optional<std::size_t> place = PlaceOf(i)) {
        squares[*place] += SquaredNormOf(gradients[i]);
      }
    }
    return squares;
  };
  std::vector<at::Tensor> sums;
  std::vector<std::vector<NoisePart>> of_parts(places);
  for (const TrainingBatch& part : parts) {
    const TrainingPass pass = PassWith(/*batch_share=*/0, {});
    loss_.Sum(network_.Forward(input_.Of(part), pass), part)
        .div(examples)
        .backward();
    const std::vector<at::Tensor> own = TakeGradients(parameters_);
    const std::vector<double> squares = squares_by_place(own);
    for (std::size_t place = 0; place < places; ++place) {
      of_parts[place].push_back(
          {.examples = static_cast<int>(part.labels.size()),
           .squared_norm = squares[place]});
    }
    AddUp(own, sums);
  }
  const std::vector<double> whole = squares_by_place(sums);
  std::vector<GradientNoise> noise;
  for (std::size_t place = 0; place < places; ++place) {
    noise.push_back(
        EstimateNoise(of_parts[place], whole[place]).value_or(GradientNoise()));
  }
  return noise;
}

at::Tensor GradientLab::Logits(absl::Span<const Pixels* const> pictures,
                               bool batch_statistics) {
  const c10::NoGradGuard unrecorded;
  return network_.Forward(
      input_.Of(pictures),
      PassWith(batch_statistics ? std::make_optional(0.0) : std::nullopt, {}));
}

Weights GradientLab::ExportWeights() const {
  absl::flat_hash_map<std::string, Tensor> tensors;
  for (const NamedTensor& entry : network_.State()) {
    const at::Tensor values = entry.tensor.detach().to(at::kFloat).contiguous();
    const auto* first = values.const_data_ptr<float>();
    tensors[entry.name] = {
        .shape = values.sizes().vec(),
        .values = std::vector<float>(first, first + values.numel())};
  }
  return Weights::FromTensors(std::move(tensors));
}

}  // namespace resnetd
