#include "server/nn/tensor_norm.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/as_strided.h>
#include <ATen/ops/count_nonzero.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "server/nn/parallel_for.h"

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

bool IsOfMemory(const at::Tensor& values) {
  return values.is_cpu() && values.layout() == at::kStrided &&
         values.is_non_overlapping_and_dense();
}

template <typename Value>
ValueSums SumsOfType(const at::Tensor& values) {
  const Value* data = values.const_data_ptr<Value>();
  return SumOverChunks<ValueSums>(
      values.numel(), [data](std::int64_t first, std::size_t count) {
        return SumsOf(absl::Span<const Value>(data + first, count));
      });
}

template <typename Value>
PairSums PairSumsOfType(const at::Tensor& left, const at::Tensor& right) {
  const Value* lefts = left.const_data_ptr<Value>();
  const Value* rights = right.const_data_ptr<Value>();
  return SumOverChunks<PairSums>(
      left.numel(), [&](std::int64_t first, std::size_t count) {
        return SumsOfPair(absl::Span<const Value>(lefts + first, count),
                          absl::Span<const Value>(rights + first, count));
      });
}

}  // namespace

std::optional<ValueSums> SumsHere(const at::Tensor& values) {
  if (!IsOfMemory(values)) {
    return std::nullopt;
  }
  switch (values.scalar_type()) {
    case at::kFloat:
      return SumsOfType<float>(values);
    case at::kDouble:
      return SumsOfType<double>(values);
    case at::kBFloat16:
      return SumsOfType<c10::BFloat16>(values);
    default:
      return std::nullopt;
  }
}

std::optional<PairSums> PairSumsHere(const at::Tensor& left,
                                     const at::Tensor& right) {
  if (!IsOfMemory(left) || !IsOfMemory(right) || !LieAlike(left, right) ||
      left.scalar_type() != right.scalar_type()) {
    return std::nullopt;
  }
  switch (left.scalar_type()) {
    case at::kFloat:
      return PairSumsOfType<float>(left, right);
    case at::kDouble:
      return PairSumsOfType<double>(left, right);
    case at::kBFloat16:
      return PairSumsOfType<c10::BFloat16>(left, right);
    default:
      return std::nullopt;
  }
}

bool LieAlike(const at::Tensor& left, const at::Tensor& right) {
  for (std::int64_t i = 0; i < left.dim(); ++i) {
    if (left.size(i) != 1 && left.stride(i) != right.stride(i)) {
      return false;
    }
  }
  return true;
}

void NormInto(const at::Tensor& values, const at::Tensor& slot) {
  if (const auto sums = SumsHere(values)) {
    Put(std::sqrt(sums->squares), slot);
    return;
  }
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

std::optional<ValueSums> NormAndZerosInto(const at::Tensor& values,
                                          const at::Tensor& norm,
                                          const at::Tensor& zeros) {
  const std::optional<ValueSums> sums = SumsHere(values);
  if (sums) {
    Put(std::sqrt(sums->squares), norm);
    Put(static_cast<double>(sums->zeros), zeros);
    return sums;
  }
  const c10::NoGradGuard unrecorded;
  NormInto(values, norm);
  zeros.copy_(at::count_nonzero(values));
  zeros.neg_().add_(static_cast<double>(values.numel()));
  return sums;
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
