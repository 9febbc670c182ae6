#pragma once

#include "absl/status/status.h"
#include "server/app/config.h"

namespace resnetd {

// Whether the settings of TLS, tokens and addresses go together; looks into no
// file. INVALID_ARGUMENT, naming the flags: one of a pair is missing; something
// beyond the loopback would be listened on, or spoken to, in plaintext without
// --insecure-plaintext; tokens would travel in plaintext, which nothing allows.
absl::Status ValidateAccess(const Config& config);

}  // namespace resnetd
