#pragma once

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace resnetd {

// Where a backend computes, as an operator names it.
struct DeviceName {
  enum class Kind {
    kCpu,
    // A GPU; `number` is its index, the first one without.
    kCuda,
    // The host, driven as a GPU is; it breaks after `number` batches.
    kFake,
  };
  Kind kind = Kind::kCpu;
  std::optional<std::int64_t> number;
};

// "cpu", "cuda", "cuda:1", "fake" or "fake:100"; numbers of up to 9 digits.
// INVALID_ARGUMENT (REQUEST_INVALID): anything else.
absl::StatusOr<DeviceName> ParseDeviceName(absl::string_view name);

}  // namespace resnetd
