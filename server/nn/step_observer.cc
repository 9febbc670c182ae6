#include "server/nn/step_observer.h"

#include <ATen/core/Tensor.h>

#include <cmath>
#include <cstdint>

#include "server/nn/gradient_noise.h"
#include "server/nn/tensor_norm.h"

namespace resnetd {
namespace {

std::int64_t Signed(std::size_t value) {
  return static_cast<std::int64_t>(value);
}

std::vector<double> Read(const at::Tensor& slots) {
  const at::Tensor here = slots.cpu().contiguous();
  const auto* numbers = here.const_data_ptr<double>();
  return {numbers, numbers + here.numel()};
}

}  // namespace

StepObserver::StepObserver(const ObservedNetwork& network,
                           const Observation& observation, std::size_t passes,
                           const at::TensorOptions& options)
    : network_(network),
      observation_(observation),
      options_(options),
      taps_(passes, network.identity, options),
      slots_(Slots({kRows, Signed(network.block_of.size())}, options)),
      scales_(Slots({Signed(network.identity.size())}, options)) {}

at::Tensor StepObserver::NormsOf(absl::Span<const at::Tensor> gradients) const {
  at::Tensor norms = Slots({Signed(gradients.size())}, options_);
  const std::vector<at::Tensor> slots = norms.unbind();
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    NormInto(gradients[i], slots[i]);
  }
  return norms;
}

void StepObserver::TakePart(absl::Span<const at::Tensor> gradients,
                            int examples) {
  parts_.push_back({.examples = examples, .norms = NormsOf(gradients)});
}

void StepObserver::TakeSumOfParts(absl::Span<const at::Tensor> gradients) {
  sum_of_parts_ = NormsOf(gradients);
}

std::optional<double> StepObserver::TakeStep(
    absl::Span<const at::Tensor> gradients, int examples) {
  examples_ = examples;
  const std::vector<at::Tensor> norms = slots_[kGradient].unbind();
  const std::vector<at::Tensor> zeros = slots_[kZeros].unbind();
  std::optional<double> squares = 0;
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    const auto sums = NormAndZerosInto(gradients[i], norms[i], zeros[i]);
    squares = squares && sums ? std::make_optional(*squares + sums->squares)
                              : std::nullopt;
    values_.push_back(static_cast<double>(gradients[i].numel()));
  }
  const std::vector<at::Tensor> scales = scales_.unbind();
  for (std::size_t block = 0; block < scales.size(); ++block) {
    if (network_.last_scales[block].defined()) {
      NormInto(network_.last_scales[block], scales[block]);
    }
  }
  return squares ? std::make_optional(std::sqrt(*squares)) : std::nullopt;
}

void StepObserver::TakeWeights(absl::Span<const Parameter> parameters) {
  const std::vector<at::Tensor> weights = slots_[kWeights].unbind();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    NormInto(parameters[i].tensor, weights[i]);
  }
}

StepNorms StepObserver::step_norms() const {
  return {.weights = slots_[kWeights].unbind(),
          .changes = slots_[kChanges].unbind()};
}

std::vector<double> StepObserver::SumsByBlock(
    absl::Span<const double> numbers) const {
  const std::size_t blocks = network_.identity.size();
  std::vector<double> sums(blocks + 1);
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    sums[blocks] += numbers[i];
    if (network_.block_of[i] < blocks) {
      sums[network_.block_of[i]] += numbers[i];
    }
  }
  return sums;
}

std::vector<double> StepObserver::SquaresByBlock(
    absl::Span<const double> norms) const {
  std::vector<double> squares;
  squares.reserve(norms.size());
  for (const double norm : norms) {
    squares.push_back(norm * norm);
  }
  return SumsByBlock(squares);
}

std::vector<double> StepObserver::MainWeightSquares(
    absl::Span<const double> norms) const {
  std::vector<double> of_main(norms.begin(), norms.end());
  for (std::size_t i = 0; i < of_main.size(); ++i) {
    of_main[i] = network_.weighs_main[i] ? of_main[i] : 0;
  }
  return SquaresByBlock(of_main);
}

std::vector<ParameterNorms> StepObserver::Parameters(
    absl::Span<const double> numbers) const {
  const std::size_t count = network_.block_of.size();
  const auto row = [&](Row of) { return numbers.subspan(of * count, count); };
  const std::vector<double> gradients = SquaresByBlock(row(kGradient));
  const std::vector<double> weights = SquaresByBlock(row(kWeights));
  const std::vector<double> changes = SquaresByBlock(row(kChanges));
  const std::vector<double> zeros = SumsByBlock(row(kZeros));
  const std::vector<double> values = SumsByBlock(values_);
  std::vector<ParameterNorms> norms;
  for (std::size_t i = 0; i < values.size(); ++i) {
    norms.push_back({.gradient = std::sqrt(gradients[i]),
                     .weights = std::sqrt(weights[i]),
                     .update = std::sqrt(changes[i]),
                     .zero_share = values[i] > 0 ? zeros[i] / values[i] : 0});
  }
  return norms;
}

std::vector<std::optional<GradientNoise>> StepObserver::Noise(
    absl::Span<const double> norms_of_step) const {
  const std::size_t groups = network_.identity.size() + 1;
  std::vector<std::vector<NoisePart>> parts(groups);
  for (const Part& part : parts_) {
    const std::vector<double> squares = SquaresByBlock(Read(part.norms));
    for (std::size_t group = 0; group < groups; ++group) {
      parts[group].push_back(
          {.examples = part.examples, .squared_norm = squares[group]});
    }
  }
  const std::vector<double> whole = sum_of_parts_.defined()
                                        ? SquaresByBlock(Read(sum_of_parts_))
                                        : SquaresByBlock(norms_of_step);
  std::vector<std::optional<GradientNoise>> noise;
  for (std::size_t group = 0; group < groups; ++group) {
    noise.push_back(EstimateNoise(parts[group], whole[group]));
  }
  return noise;
}

GradientSample StepObserver::Sample() const {
  const std::vector<double> numbers = Read(slots_);
  const std::vector<double> scales = Read(scales_);
  const auto paths = taps_.Blocks(Read(taps_.slots()));
  const auto parameters = Parameters(numbers);
  const absl::Span<const double> gradients =
      absl::MakeConstSpan(numbers).subspan(kGradient, network_.block_of.size());
  const auto noise = Noise(gradients);
  const std::vector<double> main_weights = MainWeightSquares(gradients);
  GradientSample sample{.step = observation_.step,
                        .examples = examples_,
                        .blocks = {},
                        .all = parameters.back(),
                        .noise = noise.back()};
  for (std::size_t i = 0; i < network_.identity.size(); ++i) {
    BlockSample block;
    if (paths[i]) {
      block.paths = paths[i]->paths;
      block.residual_ratio = paths[i]->residual_ratio;
    }
    if (network_.trained[i]) {
      block.parameters = parameters[i];
      block.noise = noise[i];
      block.main_weights = std::sqrt(main_weights[i]);
    }
    if (network_.last_scales[i].defined()) {
      block.last_scale = scales[i];
    }
    sample.blocks.push_back(block);
  }
  return sample;
}

}  // namespace resnetd
