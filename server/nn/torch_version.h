#pragma once

#include "absl/status/status.h"

namespace resnetd {

// FAILED_PRECONDITION (BACKEND_UNAVAILABLE): the LibTorch beside the plug-in is
// not the one that it was built for.
absl::Status CheckTorchVersion();

}  // namespace resnetd
