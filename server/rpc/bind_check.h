#pragma once

#include <string>

#include "absl/status/status.h"

namespace resnetd {

// "HOST:PORT" as gRPC and people write it: brackets around an IPv6 address,
// "[::]" (every address, IPv4 included) for the empty host.
std::string FormatAddress(const std::string& host, int port);

// Tries to bind a socket to the address, and lets go of it: gRPC does not say
// why it cannot listen. Port 0 is always free.
// UNAVAILABLE: in use. PERMISSION_DENIED: ports below 1024. INVALID_ARGUMENT:
// not a host or an address of this machine. The text names address and flag.
absl::Status CheckCanBind(const std::string& host, int port);

}  // namespace resnetd
