#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "server/nn/device_stream.h"

namespace resnetd {

// What did not fit into the memory of a device. A plain value.
struct DeviceMemoryNeed {
  // E.g. "the weights of resnet50".
  std::string what;
  // At least.
  std::int64_t needed_bytes = 0;
  DeviceStream::Memory memory = {};
  // E.g. "NVIDIA H200".
  std::string device = {};
};

// RESOURCE_EXHAUSTED (MEMORY_ADMISSION; metadata needed, free, limit in bytes),
// with what is needed, what is free, and what to change. Pure.
absl::Status DeviceMemoryError(const DeviceMemoryNeed& need);

}  // namespace resnetd
