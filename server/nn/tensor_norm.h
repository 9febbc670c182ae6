#pragma once

#include <ATen/core/Tensor.h>

#include "absl/types/span.h"

namespace resnetd {

// Sums over all values of a tensor that stay on its device: nothing here waits
// for one, and nothing is recorded by autograd. Everything may throw
// c10::Error.

// Writes the Euclidean norm of `values`, of any layout, into `slot`, a float64
// tensor without dimensions. Off by 1e-6 of it at worst for float32 and
// bfloat16, whose squares are added up in rows of float32 before float64 takes
// over.
void NormInto(const at::Tensor& values, const at::Tensor& slot);

// Writes the number of values that are exactly 0 into `slot`, as NormInto().
void ZerosInto(const at::Tensor& values, const at::Tensor& slot);

// Writes the sum of all left * right into `slot`, as NormInto(). Both of the
// same shape, of any layout.
void DotInto(const at::Tensor& left, const at::Tensor& right,
             const at::Tensor& slot);

// `shape` slots, all 0, on the device of `options`.
at::Tensor Slots(at::IntArrayRef shape, const at::TensorOptions& options);

}  // namespace resnetd
