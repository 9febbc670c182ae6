#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "absl/types/span.h"
#include "server/nn/value_sums.h"

namespace resnetd {

// Sums over all values of a tensor that stay on its device: nothing here waits
// for one, and nothing is recorded by autograd. Everything may throw
// c10::Error.
//
// A slot is a float64 tensor without dimensions, on the device of what is
// summed up. On the CPU float32, bfloat16 and float64 that lie in memory
// without gaps are added up in float64, in an order that does not depend on the
// number of threads; anything else is off by 1e-6 of the norm at worst for
// float32 and bfloat16, whose squares are added up in rows of float32 before
// float64 takes over.

// Writes the Euclidean norm of `values`, of any layout, into `slot`.
void NormInto(const at::Tensor& values, const at::Tensor& slot);

// The same, and the number of values that are exactly 0 into `zeros`. The sums
// when they are there already: on the CPU.
std::optional<ValueSums> NormAndZerosInto(const at::Tensor& values,
                                          const at::Tensor& norm,
                                          const at::Tensor& zeros);

// Writes the sum of all left * right into `slot`. Both of the same shape, of
// any layout.
void DotInto(const at::Tensor& left, const at::Tensor& right,
             const at::Tensor& slot);

// At once, where they lie on the CPU in memory without gaps, in types as above;
// nullopt elsewhere. Of two tensors of the same shape: those that lie alike.
std::optional<ValueSums> SumsHere(const at::Tensor& values);
std::optional<PairSums> PairSumsHere(const at::Tensor& left,
                                     const at::Tensor& right);

// Whether equal indices are at equal places of memory, of equal shapes. The
// stride of a dimension of one means nothing: 1x1 convolutions have any.
bool LieAlike(const at::Tensor& left, const at::Tensor& right);

// `shape` slots, all 0, on the device of `options`.
at::Tensor Slots(at::IntArrayRef shape, const at::TensorOptions& options);
// Of one on the CPU.
inline void Put(double value, const at::Tensor& slot) {
  *slot.mutable_data_ptr<double>() = value;
}

}  // namespace resnetd
