#include "server/models/strided_copy.h"

#include <algorithm>
#include <cstring>

namespace resnetd {
namespace {

bool HasElements(const StridedView& view) {
  return std::find(view.shape.begin(), view.shape.end(), 0) == view.shape.end();
}

// A size over 1 and its stride. Strides of other sizes mean nothing, and may be
// anything.
struct Dimension {
  std::int64_t size = 1;
  std::int64_t stride = 0;
};

std::vector<Dimension> DimensionsOf(const StridedView& view) {
  std::vector<Dimension> dimensions;
  for (std::size_t i = 0; i < view.shape.size(); ++i) {
    if (view.shape[i] > 1) {
      dimensions.push_back({view.shape[i], view.strides[i]});
    }
  }
  return dimensions;
}

template <typename Element>
void CopyRow(const std::uint8_t* storage, std::int64_t first,
             const Dimension& row, std::uint8_t* out) {
  for (std::int64_t i = 0; i < row.size; ++i) {
    const std::int64_t at = first + i * row.stride;
    std::memcpy(out + static_cast<std::size_t>(i) * sizeof(Element),
                storage + static_cast<std::size_t>(at) * sizeof(Element),
                sizeof(Element));
  }
}

template <typename Element>
std::vector<std::uint8_t> CopyElements(const StridedView& view) {
  std::vector<Dimension> outer = DimensionsOf(view);
  Dimension row;
  if (!outer.empty()) {
    row = outer.back();
    outer.pop_back();
  }
  std::size_t rows = 1;
  for (const Dimension& dimension : outer) {
    rows *= static_cast<std::size_t>(dimension.size);
  }
  const std::size_t row_bytes =
      static_cast<std::size_t>(row.size) * sizeof(Element);
  std::vector<std::uint8_t> copy(rows * row_bytes);
  // Counts through the indices, the last one quickest; `first` follows.
  std::vector<std::int64_t> index(outer.size(), 0);
  std::int64_t first = view.offset;
  for (std::size_t r = 0; r < rows; ++r) {
    CopyRow<Element>(view.storage.data(), first, row,
                     copy.data() + r * row_bytes);
    for (std::size_t d = outer.size(); d > 0; --d) {
      const Dimension& dimension = outer[d - 1];
      first += dimension.stride;
      if (++index[d - 1] < dimension.size) {
        break;
      }
      first -= dimension.stride * dimension.size;
      index[d - 1] = 0;
    }
  }
  return copy;
}

}  // namespace

bool LiesInside(const StridedView& view) {
  if (!HasElements(view)) {
    return true;
  }
  std::int64_t last = view.offset;
  for (std::size_t i = 0; i < view.shape.size(); ++i) {
    std::int64_t reach = 0;
    if (__builtin_mul_overflow(view.shape[i] - 1, view.strides[i], &reach) ||
        __builtin_add_overflow(last, reach, &last)) {
      return false;
    }
  }
  return static_cast<std::uint64_t>(last) <
         view.storage.size() / view.element_bytes;
}

bool IsContiguous(const StridedView& view) {
  if (!HasElements(view)) {
    return true;
  }
  std::int64_t expected = 1;
  for (std::size_t i = view.shape.size(); i > 0; --i) {
    const std::int64_t size = view.shape[i - 1];
    if (size != 1 && view.strides[i - 1] != expected) {
      return false;
    }
    expected *= size;
  }
  return true;
}

std::vector<std::uint8_t> CopyContiguous(const StridedView& view) {
  if (!HasElements(view)) {
    return {};
  }
  switch (view.element_bytes) {
    case 8:
      return CopyElements<std::uint64_t>(view);
    case 4:
      return CopyElements<std::uint32_t>(view);
    case 2:
      return CopyElements<std::uint16_t>(view);
    default:
      return CopyElements<std::uint8_t>(view);
  }
}

}  // namespace resnetd
