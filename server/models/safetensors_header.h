#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/models/safetensors.h"
#include "server/models/tensor_view.h"

namespace resnetd {

// One entry of the header as it is written, not yet compared with the data.
struct SafetensorsEntry {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;  // in their order in the header
  std::vector<std::pair<std::string, std::string>> metadata;
};

// Reads the JSON header of a .safetensors file in one pass, without a tree in
// between: each limit and rule holds before memory is taken. Errors as those of
// SafetensorsFile::Parse.
absl::StatusOr<SafetensorsHeader> ParseSafetensorsHeader(
    absl::string_view json, const SafetensorsLimits& limits);

}  // namespace resnetd
