#include "server/nn/gradients.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/as_strided.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "server/nn/tensor_norm.h"

namespace resnetd {
namespace {

// LibTorch adds squares up in float32: over 2.4 million values its norm is off
// by 4e-5. Rows of this length are off by 1e-9 together, at nearly the speed.
constexpr std::int64_t kRow = 4096;

at::Tensor LaidOutAs(const at::Tensor& gradient, const at::Tensor& parameter) {
  // autograd promises it already; the fused optimisers walk raw memory, so it
  // is not left to a promise.
  return LieAlike(gradient, parameter)
             ? gradient
             : at::empty_like(parameter).copy_(gradient);
}

void AppendSquaredNorm(const at::Tensor& values,
                       std::vector<at::Tensor>& squares) {
  squares.push_back(at::linalg_vector_norm(values, 2, at::IntArrayRef({-1}))
                        .to(at::kDouble)
                        .square()
                        .sum());
}

std::optional<double> NormHere(absl::Span<const at::Tensor> gradients) {
  double squares = 0;
  for (const at::Tensor& gradient : gradients) {
    const auto sums = SumsHere(gradient);
    if (!sums) {
      return std::nullopt;
    }
    squares += sums->squares;
  }
  return std::sqrt(squares);
}

}  // namespace

std::vector<at::Tensor> TakeGradients(absl::Span<const Parameter> parameters) {
  const c10::NoGradGuard unrecorded;
  std::vector<at::Tensor> gradients;
  gradients.reserve(parameters.size());
  for (const Parameter& parameter : parameters) {
    at::Tensor& held = parameter.tensor.mutable_grad();
    gradients.push_back(held.defined() ? LaidOutAs(held, parameter.tensor)
                                       : at::zeros_like(parameter.tensor));
    held.reset();
  }
  return gradients;
}

void AddUp(const std::vector<at::Tensor>& gradients,
           std::vector<at::Tensor>& sums) {
  const c10::NoGradGuard unrecorded;
  if (sums.empty()) {
    sums = gradients;
    return;
  }
  for (std::size_t i = 0; i < sums.size(); ++i) {
    sums[i].add_(gradients[i]);
  }
}

void AddPull(absl::Span<const at::Tensor> gradients,
             absl::Span<const Parameter> parameters,
             absl::Span<const at::Tensor> first_values, double strength) {
  const c10::NoGradGuard unrecorded;
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    if (first_values[i].defined()) {
      gradients[i].add_(parameters[i].tensor.sub(first_values[i]), strength);
    }
  }
}

double NormOf(absl::Span<const at::Tensor> gradients) {
  if (const auto norm = NormHere(gradients)) {
    return *norm;
  }
  const c10::NoGradGuard unrecorded;
  std::vector<at::Tensor> squares;
  for (const at::Tensor& gradient : gradients) {
    const std::int64_t count = gradient.numel();
    const std::int64_t in_rows = count - count % kRow;
    const at::Tensor flat = at::as_strided(gradient, {count}, {1});
    if (in_rows > 0) {
      AppendSquaredNorm(flat.narrow(0, 0, in_rows).view({-1, kRow}), squares);
    }
    if (in_rows < count) {
      AppendSquaredNorm(flat.narrow(0, in_rows, count - in_rows), squares);
    }
  }
  return std::sqrt(at::stack(squares).sum().item<double>());
}

std::vector<PartNorms> NormsByPart(absl::Span<const at::Tensor> gradients,
                                   absl::Span<const Parameter> parameters,
                                   std::size_t parts) {
  std::vector<PartNorms> norms(parts);
  for (std::size_t part = 0; part < parts; ++part) {
    std::vector<at::Tensor> changes;
    std::vector<at::Tensor> values;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      if (parameters[i].part == part) {
        changes.push_back(gradients[i]);
        values.push_back(parameters[i].tensor);
      }
    }
    if (!values.empty()) {
      norms[part] = {.gradient = NormOf(changes), .weights = NormOf(values)};
    }
  }
  return norms;
}

void Clip(absl::Span<const at::Tensor> gradients, double norm, double limit) {
  const c10::NoGradGuard unrecorded;
  // torch's guard against a norm of 0.
  const double factor = limit / (norm + 1e-6);
  if (factor >= 1) {
    return;
  }
  for (const at::Tensor& gradient : gradients) {
    gradient.mul_(factor);
  }
}

}  // namespace resnetd
