#include "server/nn/optimizer.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/_fused_sgd.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <type_traits>

#include "absl/strings/str_cat.h"
#include "server/nn/tensor_norm.h"

namespace resnetd {
namespace {

// Values whose change is measured while they are still in the cache of a
// core: 1 MiB of float32. An accelerator gets all at once.
constexpr std::int64_t kPortion = std::int64_t{1} << 18;

// The end of the portion that begins with `first`.
std::size_t EndOfPortion(const std::vector<at::Tensor>& parameters,
                         std::size_t first) {
  std::size_t end = first + 1;
  std::int64_t values = parameters[first].numel();
  while (end < parameters.size() &&
         (!parameters[end].is_cpu() ||
          values + parameters[end].numel() <= kPortion)) {
    values += parameters[end].numel();
    ++end;
  }
  return end;
}

void Append(absl::string_view prefix, const std::vector<std::string>& names,
            const std::vector<at::Tensor>& tensors,
            std::vector<NamedTensor>& state) {
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    state.push_back({absl::StrCat(prefix, ".", names[i]), tensors[i]});
  }
}

}  // namespace

Optimizer::Optimizer(const OptimizerSettings& settings,
                     const std::vector<Parameter>& parameters)
    : settings_(settings) {
  const c10::NoGradGuard unrecorded;
  const bool adamw = settings_.kind == OptimizerKind::kAdamW;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    Group& group = GroupOf(parameters[i]);
    const at::Tensor& parameter = parameters[i].tensor;
    group.indices.push_back(i);
    group.names.push_back(parameters[i].name);
    group.parameters.push_back(parameter);
    if (adamw || settings_.momentum != 0) {
      group.first.push_back(at::zeros_like(parameter));
    }
    if (adamw) {
      group.second.push_back(at::zeros_like(parameter));
    }
  }
}

Optimizer::Group& Optimizer::GroupOf(const Parameter& parameter) {
  const double decay = parameter.decays ? settings_.weight_decay : 0;
  const auto found =
      std::find_if(groups_.begin(), groups_.end(), [&](const Group& group) {
        return group.part == parameter.part && group.weight_decay == decay;
      });
  if (found != groups_.end()) {
    return *found;
  }
  groups_.push_back({.part = parameter.part, .weight_decay = decay});
  return groups_.back();
}

void Optimizer::Step(absl::Span<const at::Tensor> gradients,
                     absl::Span<const double> rates, std::int64_t step,
                     absl::Span<const at::Tensor> changes) {
  const c10::NoGradGuard unrecorded;
  for (const Group& group : groups_) {
    if (changes.empty()) {
      StepGroup(group, gradients, rates[group.part], step);
    } else {
      StepGroupAndMeasure(group, gradients, rates[group.part], step, changes);
    }
  }
}

void Optimizer::StepGroup(const Group& group,
                          absl::Span<const at::Tensor> gradients, double rate,
                          std::int64_t step) const {
  std::vector<at::Tensor> of_group;
  of_group.reserve(group.indices.size());
  for (const std::size_t index : group.indices) {
    of_group.push_back(gradients[index]);
  }
  if (settings_.kind == OptimizerKind::kAdamW) {
    StepAdamW(group, of_group, rate, step);
  } else {
    StepSgd(group, of_group, rate);
  }
}

void Optimizer::StepGroupAndMeasure(
    const Group& group, absl::Span<const at::Tensor> gradients, double rate,
    std::int64_t step, absl::Span<const at::Tensor> changes) const {
  const std::size_t count = group.indices.size();
  for (std::size_t first = 0; first < count;) {
    const std::size_t end = EndOfPortion(group.parameters, first);
    const Group portion = Slice(group, first, end);
    std::vector<at::Tensor> before;
    before.reserve(end - first);
    for (const at::Tensor& parameter : portion.parameters) {
      before.push_back(parameter.clone());
    }
    StepGroup(portion, gradients, rate, step);
    for (std::size_t i = 0; i < before.size(); ++i) {
      NormInto(before[i].sub_(portion.parameters[i]),
               changes[portion.indices[i]]);
    }
    first = end;
  }
}

Optimizer::Group Optimizer::Slice(const Group& group, std::size_t first,
                                  std::size_t end) {
  // Of what is there: not every optimiser remembers all of it.
  const auto part = [&](const auto& all) {
    std::decay_t<decltype(all)> some;
    for (std::size_t i = first; i < end && i < all.size(); ++i) {
      some.push_back(all[i]);
    }
    return some;
  };
  return {.part = group.part,
          .weight_decay = group.weight_decay,
          .indices = part(group.indices),
          .names = {},
          .parameters = part(group.parameters),
          .first = part(group.first),
          .second = part(group.second)};
}

void Optimizer::StepSgd(const Group& group,
                        const std::vector<at::Tensor>& gradients,
                        double rate) const {
  // The momentum of the first step is the gradient itself: that of zeros. The
  // look-ahead of Nesterov does nothing without momentum.
  at::_fused_sgd_(group.parameters, gradients, group.first, group.weight_decay,
                  settings_.momentum, rate, /*dampening=*/0,
                  settings_.nesterov && settings_.momentum != 0,
                  /*maximize=*/false, /*is_first_step=*/false);
}

void Optimizer::StepAdamW(const Group& group,
                          const std::vector<at::Tensor>& gradients, double rate,
                          std::int64_t step) const {
  const at::Tensor number =
      at::full({}, static_cast<double>(step),
               group.parameters.front().options().dtype(at::kFloat));
  const std::vector<at::Tensor> steps(group.parameters.size(), number);
  at::_fused_adamw_(group.parameters, gradients, group.first, group.second,
                    /*max_exp_avg_sqs=*/{}, steps, rate, settings_.beta1,
                    settings_.beta2, group.weight_decay, settings_.epsilon,
                    /*amsgrad=*/false, /*maximize=*/false);
}

std::vector<NamedTensor> Optimizer::State() const {
  std::vector<NamedTensor> state;
  const bool adamw = settings_.kind == OptimizerKind::kAdamW;
  for (const Group& group : groups_) {
    Append(adamw ? "exp_avg" : "momentum", group.names, group.first, state);
    Append("exp_avg_sq", group.names, group.second, state);
  }
  return state;
}

}  // namespace resnetd
