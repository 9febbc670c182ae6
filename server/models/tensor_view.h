#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace resnetd {

enum class DType { kF64, kF32, kF16, kBF16, kI64, kI32, kU8, kBool };

// E.g. "F32", as .safetensors spells it.
absl::string_view DTypeName(DType dtype);
std::size_t DTypeBytes(DType dtype);

// One tensor of a file: little-endian, C order, without gaps. `bytes` point
// into the file object that it came from.
struct TensorView {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<std::int64_t> shape;
  absl::Span<const std::uint8_t> bytes;
};

// Bytes of a tensor of this type and shape; absent when over 2^64. No size may
// be negative.
std::optional<std::uint64_t> TensorBytes(DType dtype,
                                         absl::Span<const std::int64_t> shape);

// "[64, 3, 7, 7]".
std::string ShapeText(absl::Span<const std::int64_t> shape);

}  // namespace resnetd
