#pragma once

#include <c10/core/Device.h>

#include <memory>

#include "server/nn/device_stream.h"

namespace resnetd {

enum class StreamPriority { kServing, kLoading };

// A stream of the GPU `device`. kServing comes before everything else on the
// device, training included; kLoading does not.
// Only in a plug-in that is built with CUDA. May throw c10::Error.
std::unique_ptr<DeviceStream> MakeCudaStream(c10::Device device,
                                             StreamPriority priority);

}  // namespace resnetd
