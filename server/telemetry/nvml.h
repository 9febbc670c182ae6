#pragma once

#include <memory>
#include <string>

#include "server/telemetry/gpu_metrics.h"

namespace resnetd {

// NVIDIA's management library: comes with the driver and is looked for at run
// time, as a server for the CPU must start without it. Null when it is not
// there, lacks a function that is used here, or finds no driver; the log says
// which, at level debug. `library`: a name for the dynamic linker.
std::unique_ptr<GpuSource> OpenNvml(
    const std::string& library = "libnvidia-ml.so.1");

}  // namespace resnetd
