#include "server/nn/tensor_norm.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/as_strided.h>
#include <ATen/ops/count_nonzero.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include <cstdint>

namespace resnetd {
namespace {

// Longest row whose squares are added up in float32. Over 2 million equal
// values in rows of 4096 the norm is off by 2e-6, in rows of this length by
// 3e-7, and shorter or longer ones take more time.
constexpr std::int64_t kRow = 512;
// With shorter rows than this the rows themselves are the work.
constexpr std::int64_t kShortestRow = 64;

// All values as they lie in memory, in one dimension.
at::Tensor Flat(const at::Tensor& values) {
  return values.is_non_overlapping_and_dense()
             ? at::as_strided(values, {values.numel()}, {1})
             : values.contiguous().view({-1});
}

// What sums of `values` are computed in.
at::ScalarType AtLeastFloat32(const at::Tensor& values) {
  return values.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

// The greatest power of two up to kRow that divides `count` > 0.
std::int64_t RowOf(std::int64_t count) {
  const std::int64_t power = count & -count;
  return power < kRow ? power : kRow;
}

}  // namespace

void NormInto(const at::Tensor& values, const at::Tensor& slot) {
  const c10::NoGradGuard unrecorded;
  if (values.numel() == 0) {
    slot.zero_();
    return;
  }
  at::Tensor flat = Flat(values);
  const std::int64_t row = RowOf(flat.numel());
  if (flat.numel() > kRow && row >= kShortestRow) {
    flat =
        at::linalg_vector_norm(flat.view({-1, row}), 2, at::IntArrayRef({-1}),
                               /*keepdim=*/false, AtLeastFloat32(values));
  }
  at::Tensor out = slot;  // The same memory.
  at::linalg_vector_norm_out(out, flat, 2, /*dim=*/{}, /*keepdim=*/false,
                             at::kDouble);
}

void ZerosInto(const at::Tensor& values, const at::Tensor& slot) {
  const c10::NoGradGuard unrecorded;
  slot.copy_(at::count_nonzero(values));
  slot.neg_().add_(static_cast<double>(values.numel()));
}

void DotInto(const at::Tensor& left, const at::Tensor& right,
             const at::Tensor& slot) {
  const c10::NoGradGuard unrecorded;
  slot.copy_(left.to(AtLeastFloat32(left)).mul(right).sum(at::kDouble));
}

at::Tensor Slots(at::IntArrayRef shape, const at::TensorOptions& options) {
  return at::zeros(shape, options.dtype(at::kDouble));
}

}  // namespace resnetd
