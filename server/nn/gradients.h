#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <vector>

#include "absl/types/span.h"
#include "server/finetune/trainer.h"
#include "server/nn/optimizer.h"

namespace resnetd {

// What happens to gradients between backward() and the optimiser. Everything
// here works on the values and is not recorded by autograd; it may throw
// c10::Error.

// Takes the gradients that backward() left with `parameters` away from them:
// one for each, laid out in memory as the parameter is; zeros where backward()
// left none.
std::vector<at::Tensor> TakeGradients(absl::Span<const Parameter> parameters);

// Adds `gradients` to `sums`, in their place, as backward() would; takes them
// over when there are no sums yet.
void AddUp(const std::vector<at::Tensor>& gradients,
           std::vector<at::Tensor>& sums);

// Adds the gradient of strength / 2 * |w - first|^2. Where `first_values` is
// undefined, nothing.
void AddPull(absl::Span<const at::Tensor> gradients,
             absl::Span<const Parameter> parameters,
             absl::Span<const at::Tensor> first_values, double strength);

// The Euclidean norm of all of them together; not on the CPU to 1e-5 of it at
// worst and to 1e-7 as a rule. Not finite exactly when a value is not, or, not
// on the CPU, the square of one.
double NormOf(absl::Span<const at::Tensor> gradients);

// The norms of each part, as exact as NormOf(): of the gradients and of the
// parameters themselves; 0 for a part that has none. One gradient for each
// parameter, laid out in memory as the parameter is.
std::vector<PartNorms> NormsByPart(absl::Span<const at::Tensor> gradients,
                                   absl::Span<const Parameter> parameters,
                                   std::size_t parts);

// Scales them down to a norm of `limit`, if `norm` is over it: as
// torch.nn.utils.clip_grad_norm_.
void Clip(absl::Span<const at::Tensor> gradients, double norm, double limit);

}  // namespace resnetd
