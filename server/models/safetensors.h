#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "server/models/tensor_view.h"

namespace resnetd {

struct SafetensorsLimits {
  // The largest network of ours, cifar_resnet1202, needs 0.7 MiB.
  std::size_t max_header_bytes = 1U << 20U;
  std::size_t max_tensors = 100'000;
  // Of a tensor's name or a key of the metadata.
  std::size_t max_name_bytes = 256;
  std::size_t max_rank = 8;
};

// A parsed .safetensors file that owns its bytes. Immutable; reading is
// thread-safe. Can be moved, not copied: the views point into it.
//
// Format and checks: https://github.com/huggingface/safetensors, plus: no
// duplicate keys, only integers up to 2^53, unknown members refused, depth and
// counts capped. Every file that the reference refuses is refused. Values are
// not looked at.
class SafetensorsFile {
 public:
  // DATA_LOSS (WEIGHTS_CORRUPT) naming the first rule that `bytes` break;
  // INVALID_ARGUMENT (LIMIT_EXCEEDED, metadata "limit") for the limits;
  // INVALID_ARGUMENT (MODEL_INVALID) for a type that the format knows and this
  // reader does not take, e.g. F8_E4M3. Memory: a small multiple of the header
  // beside `bytes`, bounded by the limits before it is taken.
  static absl::StatusOr<SafetensorsFile> Parse(
      std::vector<std::uint8_t> bytes, const SafetensorsLimits& limits = {});

  SafetensorsFile(SafetensorsFile&&) = default;
  SafetensorsFile& operator=(SafetensorsFile&&) = default;
  SafetensorsFile(const SafetensorsFile&) = delete;
  SafetensorsFile& operator=(const SafetensorsFile&) = delete;
  ~SafetensorsFile() = default;

  // In the order of their offsets; those of no bytes at one offset in the order
  // of the header.
  const std::vector<TensorView>& tensors() const { return tensors_; }
  // "__metadata__", in the order of the header.
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
