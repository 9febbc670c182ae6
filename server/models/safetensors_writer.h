#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/models/tensor_view.h"

namespace resnetd {

// "__metadata__": key and value.
using SafetensorsMetadata = std::vector<std::pair<std::string, std::string>>;

// Takes the next bytes of a file; an error of its own ends the writing.
using ByteSink = std::function<absl::Status(absl::Span<const std::uint8_t>)>;

// Writes `tensors` as a .safetensors file, byte for byte as the reference
// package does: header padded with spaces to 8 bytes, tensors by type (the
// widest first), then by name. Metadata in the order of its keys (the reference
// takes any order). The order of `tensors` does not matter. Nothing is copied:
// the header goes to `sink` first, then the bytes of each tensor.
//
// INVALID_ARGUMENT (MODEL_INVALID), before anything is written: two tensors or
// two metadata keys of one name, a name or metadata that is no UTF-8, a tensor
// named "__metadata__", or one whose bytes are not as many as type and shape
// say. The error of `sink`, else.
absl::Status WriteSafetensors(absl::Span<const TensorView> tensors,
                              const SafetensorsMetadata& metadata,
                              const ByteSink& sink);

// Bytes of the file that WriteSafetensors writes. The errors of
// WriteSafetensors.
absl::StatusOr<std::int64_t> SafetensorsBytes(
    absl::Span<const TensorView> tensors, const SafetensorsMetadata& metadata);

}  // namespace resnetd
