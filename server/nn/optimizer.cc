#include "server/nn/optimizer.h"

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/_fused_sgd.h>
#include <ATen/ops/as_strided.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "server/nn/parallel_for.h"
#include "server/nn/tensor_norm.h"
#include "server/nn/value_sums.h"

namespace resnetd {
namespace {

// Values that one thread steps and measures while they are in its cache: of
// SGD 1 MiB of float32 with the old values beside the new ones.
constexpr std::int64_t kPieceOfThread = std::int64_t{1} << 16;
// Pieces end at whole vectors, whatever their length: what the fused operations
// make of a value does not depend on where a piece ends, then.
constexpr std::int64_t kAlignment = 64;

// Values of one parameter.
struct Piece {
  std::size_t parameter = 0;
  std::int64_t first = 0;
  std::int64_t count = 0;
};

// All values of `parameters` in lists of at most `most` values, which is a
// multiple of kAlignment.
std::vector<std::vector<Piece>> Pieces(
    const std::vector<at::Tensor>& parameters, std::int64_t most) {
  std::vector<std::vector<Piece>> lists;
  std::int64_t room = 0;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const std::int64_t values = parameters[i].numel();
    for (std::int64_t first = 0; first < values;) {
      if (room < std::min(values - first, kAlignment)) {
        lists.emplace_back();
        room = most;
      }
      const std::int64_t count =
          values - first <= room ? values - first : room - room % kAlignment;
      lists.back().push_back({.parameter = i, .first = first, .count = count});
      first += count;
      room -= count;
    }
  }
  return lists;
}

// `piece` of a tensor, in one row; shares its memory.
at::Tensor Cut(const at::Tensor& tensor, const Piece& piece) {
  return at::as_strided(tensor, {piece.count}, {1},
                        tensor.storage_offset() + piece.first);
}

std::vector<at::Tensor> CutAll(const std::vector<at::Tensor>& tensors,
                               const std::vector<Piece>& pieces) {
  std::vector<at::Tensor> cut;
  // Not every optimiser remembers everything.
  for (std::size_t i = 0; i < pieces.size() && !tensors.empty(); ++i) {
    cut.push_back(Cut(tensors[pieces[i].parameter], pieces[i]));
  }
  return cut;
}

bool AreInMemory(const std::vector<at::Tensor>& parameters) {
  return std::all_of(
      parameters.begin(), parameters.end(), [&](const at::Tensor& parameter) {
        return parameter.is_cpu() && parameter.is_non_overlapping_and_dense() &&
               parameter.scalar_type() == parameters.front().scalar_type();
      });
}

template <typename Value>
absl::Span<Value> ValuesOf(const at::Tensor& row) {
  return absl::MakeSpan(row.mutable_data_ptr<Value>(),
                        static_cast<std::size_t>(row.numel()));
}

void Append(absl::string_view prefix, const std::vector<std::string>& names,
            const std::vector<at::Tensor>& tensors,
            std::vector<NamedTensor>& state) {
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    state.push_back({absl::StrCat(prefix, ".", names[i]), tensors[i]});
  }
}

// CopySquares() and SquaredDistance() on all threads.
template <typename Value>
double CopyAll(absl::Span<const Value> from, absl::Span<Value> to) {
  return SumOverChunks<double>(static_cast<std::int64_t>(from.size()),
                               [&](std::int64_t first, std::size_t count) {
                                 const auto begin =
                                     static_cast<std::size_t>(first);
                                 return CopySquares(from.subspan(begin, count),
                                                    to.subspan(begin, count));
                               });
}

template <typename Value>
double DistanceOfAll(absl::Span<const Value> left,
                     absl::Span<const Value> right) {
  return SumOverChunks<double>(
      static_cast<std::int64_t>(left.size()),
      [&](std::int64_t first, std::size_t count) {
        const auto begin = static_cast<std::size_t>(first);
        return SquaredDistance(left.subspan(begin, count),
                               right.subspan(begin, count));
      });
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
                     const StepNorms* measured) {
  const c10::NoGradGuard unrecorded;
  for (const Group& group : groups_) {
    std::vector<at::Tensor> of_group;
    of_group.reserve(group.indices.size());
    for (const std::size_t index : group.indices) {
      of_group.push_back(gradients[index]);
    }
    const double rate = rates[group.part];
    if (measured == nullptr) {
      StepGroup(group, of_group, rate, step);
    } else if (!AreInMemory(group.parameters)) {
      StepAndMeasure(group, of_group, rate, step, *measured);
    } else if (group.parameters.front().scalar_type() == at::kFloat) {
      StepInPieces<float>(group, of_group, rate, step, *measured);
    } else {
      StepInPieces<double>(group, of_group, rate, step, *measured);
    }
  }
}

void Optimizer::StepGroup(const Group& group,
                          const std::vector<at::Tensor>& gradients, double rate,
                          std::int64_t step) const {
  if (settings_.kind == OptimizerKind::kAdamW) {
    StepAdamW(group, gradients, rate, step);
  } else {
    StepSgd(group, gradients, rate);
  }
}

void Optimizer::StepAndMeasure(const Group& group,
                               const std::vector<at::Tensor>& gradients,
                               double rate, std::int64_t step,
                               const StepNorms& measured) const {
  std::vector<at::Tensor> before;
  before.reserve(group.parameters.size());
  for (const at::Tensor& parameter : group.parameters) {
    before.push_back(parameter.clone());
  }
  StepGroup(group, gradients, rate, step);
  for (std::size_t i = 0; i < before.size(); ++i) {
    NormInto(before[i], measured.weights[group.indices[i]]);
    NormInto(before[i].sub_(group.parameters[i]),
             measured.changes[group.indices[i]]);
  }
}

template <typename Value>
void Optimizer::StepInPieces(const Group& group,
                             const std::vector<at::Tensor>& gradients,
                             double rate, std::int64_t step,
                             const StepNorms& measured) const {
  const std::int64_t most = kPieceOfThread * at::get_num_threads();
  const at::Tensor room = at::empty({most}, group.parameters.front().options());
  std::vector<double> weights(group.parameters.size());
  std::vector<double> changes(group.parameters.size());
  for (const std::vector<Piece>& pieces : Pieces(group.parameters, most)) {
    const Group cut{.part = group.part,
                    .weight_decay = group.weight_decay,
                    .indices = {},
                    .names = {},
                    .parameters = CutAll(group.parameters, pieces),
                    .first = CutAll(group.first, pieces),
                    .second = CutAll(group.second, pieces)};
    const absl::Span<Value> before = ValuesOf<Value>(room);
    std::size_t first = 0;
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      const absl::Span<const Value> now = ValuesOf<Value>(cut.parameters[i]);
      weights[pieces[i].parameter] +=
          CopyAll<Value>(now, before.subspan(first, now.size()));
      first += now.size();
    }
    StepGroup(cut, CutAll(gradients, pieces), rate, step);
    first = 0;
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      const absl::Span<const Value> now = ValuesOf<Value>(cut.parameters[i]);
      changes[pieces[i].parameter] +=
          DistanceOfAll<Value>(now, before.subspan(first, now.size()));
      first += now.size();
    }
  }
  for (std::size_t i = 0; i < weights.size(); ++i) {
    Put(std::sqrt(weights[i]), measured.weights[group.indices[i]]);
    Put(std::sqrt(changes[i]), measured.changes[group.indices[i]]);
  }
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
