#pragma once

#include "absl/status/statusor.h"
#include "resnetd/v1/gradient_lab_service.pb.h"
#include "server/finetune/version_prober.h"

namespace resnetd {

// INVALID_ARGUMENT (REQUEST_INVALID) with every violation; fields are named
// from the request on: "header.version".
absl::StatusOr<ProbeTarget> ToProbeTarget(const v1::ProbeHeader& message);

v1::ProbeReport ToProto(const Probed& probed, const ProbeTarget& target);

}  // namespace resnetd
