#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/models/pth.h"
#include "server/models/safetensors.h"
#include "server/models/tensor_view.h"

namespace resnetd {

// A weights file of either format. Owns its bytes. Immutable; reading is
// thread-safe. Can be moved, not copied: the views point into it.
class WeightsFile {
 public:
  // Tells the format by the first bytes: a zip archive or a pickle is a .pth
  // file, anything else should be a .safetensors file. The errors of
  // SafetensorsFile::Parse and PthFile::Parse.
  static absl::StatusOr<WeightsFile> Parse(std::vector<std::uint8_t> bytes);

  // "safetensors" or "pth".
  absl::string_view format() const;
  const std::vector<TensorView>& tensors() const;
  std::size_t size_bytes() const;

 private:
  explicit WeightsFile(SafetensorsFile file) : file_(std::move(file)) {}
  explicit WeightsFile(PthFile file) : file_(std::move(file)) {}
  std::variant<SafetensorsFile, PthFile> file_;
};

}  // namespace resnetd
