#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

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

// More GPUs are not in one machine.
inline constexpr std::size_t kMostDevices = 16;

// One name as above, or up to kMostDevices of different GPUs, or of fakes, with
// commas between. INVALID_ARGUMENT (REQUEST_INVALID): anything else; one GPU is
// named twice; devices of several kinds; LIMIT_EXCEEDED: too many.
absl::StatusOr<std::vector<std::string>> ParseDeviceNames(
    absl::string_view names);

}  // namespace resnetd
