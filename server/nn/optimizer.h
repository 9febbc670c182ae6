#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "server/finetune/trainer.h"
#include "server/nn/layers.h"

namespace resnetd {

// A parameter that is trained.
struct Parameter {
  std::string name;
  at::Tensor tensor;
  // Index of PartNames().
  std::size_t part = 0;
  // Weight decay applies: a weight of a convolution or of the head.
  bool decays = false;
};

// Where the norms of each parameter go that a step can tell on its way: a slot
// (tensor_norm.h) for each.
struct StepNorms {
  // Before the step.
  std::vector<at::Tensor> weights;
  // Of what the step makes of it, less what it was.
  std::vector<at::Tensor> changes;
};

// torch.optim.SGD (dampening 0) and torch.optim.AdamW, through the fused
// operations.
//
// Not thread-safe. May throw c10::Error.
class Optimizer {
 public:
  // Shares the tensors of `parameters`.
  Optimizer(const OptimizerSettings& settings,
            const std::vector<Parameter>& parameters);

  // Step number `step`, from 1. One gradient for each parameter, laid out in
  // memory as the parameter is; one rate for each part. With `measured` the
  // step is the same, bit for bit.
  void Step(absl::Span<const at::Tensor> gradients,
            absl::Span<const double> rates, std::int64_t step,
            const StepNorms* measured = nullptr);

  // What it remembers: "momentum.<parameter>" (SGD; nothing at momentum 0), or
  // "exp_avg.<parameter>" and "exp_avg_sq.<parameter>" (AdamW). All 0 at first.
  std::vector<NamedTensor> State() const;

 private:
  // Parameters of one rate and one weight decay, and what belongs to them.
  struct Group {
    std::size_t part = 0;
    double weight_decay = 0;
    std::vector<std::size_t> indices;  // of the constructor's parameters
    std::vector<std::string> names;
    std::vector<at::Tensor> parameters;
    // Momentum; or first and second moments.
    std::vector<at::Tensor> first;
    std::vector<at::Tensor> second;
  };

  Group& GroupOf(const Parameter& parameter);
  // One gradient for each parameter of the group.
  void StepGroup(const Group& group, const std::vector<at::Tensor>& gradients,
                 double rate, std::int64_t step) const;
  // The same, and measures: on any device, or piece by piece of the type
  // `Value` on the CPU.
  void StepAndMeasure(const Group& group,
                      const std::vector<at::Tensor>& gradients, double rate,
                      std::int64_t step, const StepNorms& measured) const;
  template <typename Value>
  void StepInPieces(const Group& group,
                    const std::vector<at::Tensor>& gradients, double rate,
                    std::int64_t step, const StepNorms& measured) const;
  void StepSgd(const Group& group, const std::vector<at::Tensor>& gradients,
               double rate) const;
  void StepAdamW(const Group& group, const std::vector<at::Tensor>& gradients,
                 double rate, std::int64_t step) const;

  OptimizerSettings settings_;
  std::vector<Group> groups_;
};

}  // namespace resnetd
