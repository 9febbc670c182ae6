#pragma once

#include <c10/core/Device.h>

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace resnetd {

// The device called `name`: "cpu", "cuda" (the first GPU) or "cuda:N".
// FAILED_PRECONDITION (BACKEND_UNAVAILABLE), saying what to do: the plug-in was
// built without CUDA, or there is no usable GPU, or none of this index.
// INVALID_ARGUMENT: another name.
absl::StatusOr<c10::Device> FindDevice(absl::string_view name);

// E.g. "CPU, AVX512" or "CUDA 13.0, NVIDIA H200".
std::string DescribeDevice(c10::Device device);

// Float32 means float32: switches the short-mantissa products of GPUs off, for
// the whole process.
void RequireFullFloat32();

}  // namespace resnetd
