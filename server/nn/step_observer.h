#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <optional>
#include <vector>

#include "absl/types/span.h"
#include "server/base/clock.h"
#include "server/finetune/gradient_sample.h"
#include "server/finetune/trainer.h"
#include "server/nn/gradient_taps.h"
#include "server/nn/optimizer.h"
#include "server/nn/trained_tensors.h"

namespace resnetd {

// Watches one optimiser step. Everything that it measures stays on the device
// until Sample(); nothing that it looks at is changed or kept.
//
// Not thread-safe. May throw c10::Error.
class StepObserver {
 public:
  // `network` outlives this. `passes`: batches of the step; `options` has the
  // device.
  StepObserver(const ObservedNetwork& network, const Observation& observation,
               std::size_t passes, const at::TensorOptions& options);

  const Observation& observation() const { return observation_; }
  std::vector<BlockTap*> TapsOf(std::size_t pass) const {
    return taps_.OfPass(pass);
  }

  // What looking took of the passes of the step.
  Duration forward_time() const { return taps_.forward_time(); }
  Duration backward_time() const { return taps_.backward_time(); }

  // The gradient of one part of the examples, to which the loss of that part
  // leads when it is divided by the weight of all: once for each part.
  void TakePart(absl::Span<const at::Tensor> gradients, int examples);
  // The sum of those of all parts, unless it is that of the step.
  void TakeSumOfParts(absl::Span<const at::Tensor> gradients);

  // The gradient of the step over `examples`, before anything is added to it.
  // Its norm, as NormOf() tells it, when it is there already: on the CPU.
  std::optional<double> TakeStep(absl::Span<const at::Tensor> gradients,
                                 int examples);
  // For the optimiser, which tells what the parameters are before the step, and
  // what becomes of them. Without one the former is for TakeWeights().
  void TakeWeights(absl::Span<const Parameter> parameters);
  StepNorms step_norms() const;

  // Waits for the device.
  GradientSample Sample() const;

 private:
  // Of parameters, in `slots_`: a row of one number for each.
  enum Row : std::size_t { kGradient, kZeros, kWeights, kChanges, kRows };

  struct Part {
    int examples = 0;
    at::Tensor norms;
  };

  // Norms of all gradients.
  at::Tensor NormsOf(absl::Span<const at::Tensor> gradients) const;
  std::vector<std::optional<GradientNoise>> Noise(
      absl::Span<const double> norms_of_step) const;
  std::vector<ParameterNorms> Parameters(
      absl::Span<const double> numbers) const;
  // Of one number for each parameter, the sums: one for each block, then one
  // for everything.
  std::vector<double> SumsByBlock(absl::Span<const double> numbers) const;
  std::vector<double> SquaresByBlock(absl::Span<const double> norms) const;
  // The same of the kernels and scales of main paths alone.
  std::vector<double> MainWeightSquares(absl::Span<const double> norms) const;

  const ObservedNetwork& network_;
  const Observation observation_;
  const at::TensorOptions options_;
  const GradientTaps taps_;
  const at::Tensor slots_;      // {kRows, parameters}
  const at::Tensor scales_;     // {blocks}
  std::vector<double> values_;  // of each parameter, how many
  std::vector<Part> parts_;
  at::Tensor sum_of_parts_;  // undefined: that of the step
  int examples_ = 0;
};

}  // namespace resnetd
