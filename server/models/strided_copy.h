#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace resnetd {

// A tensor as PyTorch keeps it: element (i, j, ...) is element
// offset + i * strides[0] + j * strides[1] + ... of the storage. Points to
// everything and owns nothing. Precondition of all functions: no number is
// negative, there are as many strides as sizes, and the bytes of all elements
// together are under 2^63.
struct StridedView {
  absl::Span<const std::uint8_t> storage;
  std::size_t element_bytes = 1;  // 1, 2, 4 or 8
  std::int64_t offset = 0;
  absl::Span<const std::int64_t> shape;
  absl::Span<const std::int64_t> strides;
};

// Whether every element is one of the storage. A view without elements lies
// everywhere.
bool LiesInside(const StridedView& view);

// Whether the elements lie one behind the other in C order.
bool IsContiguous(const StridedView& view);

// The elements in C order. Precondition: LiesInside(view).
std::vector<std::uint8_t> CopyContiguous(const StridedView& view);

}  // namespace resnetd
