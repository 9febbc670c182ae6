#include "server/models/weights_file.h"

#include "server/base/status_macros.h"

namespace resnetd {

absl::StatusOr<WeightsFile> WeightsFile::Parse(
    std::vector<std::uint8_t> bytes) {
  if (PthFile::LooksLikePth(bytes)) {
    ASSIGN_OR_RETURN(PthFile file, PthFile::Parse(std::move(bytes)));
    return WeightsFile(std::move(file));
  }
  ASSIGN_OR_RETURN(SafetensorsFile file,
                   SafetensorsFile::Parse(std::move(bytes)));
  return WeightsFile(std::move(file));
}

absl::string_view WeightsFile::format() const {
  return std::holds_alternative<PthFile>(file_) ? "pth" : "safetensors";
}

const std::vector<TensorView>& WeightsFile::tensors() const {
  return std::visit(
      [](const auto& file) -> const std::vector<TensorView>& {
        return file.tensors();
      },
      file_);
}

std::size_t WeightsFile::size_bytes() const {
  return std::visit([](const auto& file) { return file.size_bytes(); }, file_);
}

}  // namespace resnetd
