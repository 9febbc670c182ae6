#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace resnetd {

enum class DType { kF64, kF32, kF16, kBF16, kI64, kI32, kU8, kBool };

// E.g. "F32", as the format spells it.
absl::string_view DTypeName(DType dtype);
std::size_t DTypeBytes(DType dtype);

// One tensor of a file; `bytes` point into it.
struct TensorView {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<std::int64_t> shape;
  absl::Span<const std::uint8_t> bytes;
};

struct SafetensorsLimits {
  std::size_t max_header_bytes = 1U << 20U;
  std::size_t max_tensors = 100'000;
  std::size_t max_name_bytes = 256;
  std::size_t max_rank = 8;
};

// A parsed .safetensors file that owns its bytes. Immutable; reading is
// thread-safe.
//
// Format and checks: https://github.com/huggingface/safetensors, plus: no
// duplicate keys, integers only, unknown members refused, depth and counts
// capped. Values are not looked at.
class SafetensorsFile {
 public:
  // DATA_LOSS (WEIGHTS_CORRUPT) naming the first rule that `bytes` break;
  // INVALID_ARGUMENT (LIMIT_EXCEEDED) for the limits.
  static absl::StatusOr<SafetensorsFile> Parse(
      std::vector<std::uint8_t> bytes, const SafetensorsLimits& limits = {});

  // In the order of their offsets.
  const std::vector<TensorView>& tensors() const { return tensors_; }
  const std::vector<std::pair<std::string, std::string>>& metadata() const {
    return metadata_;
  }
  std::size_t size_bytes() const { return bytes_.size(); }

 private:
  SafetensorsFile() = default;
  std::vector<std::uint8_t> bytes_;
  std::vector<TensorView> tensors_;
  std::vector<std::pair<std::string, std::string>> metadata_;
};

}  // namespace resnetd
