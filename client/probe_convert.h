#pragma once

#include "client/probe_types.h"
#include "resnetd/v1/gradient_lab_service.pb.h"

namespace resnetd::client {

// Between messages and the types of probe_types.h.

v1::ProbeOptions ToProto(const ProbeOptions& options);
ProbeReport FromProto(const v1::ProbeReport& message);

}  // namespace resnetd::client
