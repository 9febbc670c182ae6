#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "server/engine/cpu_engine.h"
#include "server/models/feature_extractor.h"

namespace resnetd {

// Beginnings of networks on the CPU, as CreateCpuEngine() runs whole ones:
// folded, fused, in float32.
//
// INVALID_ARGUMENT (REQUEST_INVALID): threads out of range.
absl::StatusOr<std::unique_ptr<FeatureExtractorLoader>> CreateCpuFeatureLoader(
    const CpuEngineOptions& options);

}  // namespace resnetd
