#pragma once

#include "absl/strings/string_view.h"

namespace resnetd {

// Ends the TCP connection of `peer`, as gRPC names it ("ipv4:10.0.0.7:51234",
// "ipv6:%5B::1%5D:9"), to port `port` of this process: gRPC finds it closed,
// and drops all calls of it. What has come over it and was not read yet is
// gone, and its peer sees a reset. gRPC 1.51 has no call that would do that.
//
// False: there is no such connection (any more), or it is no TCP. Looks at
// every open file of the process, a microsecond or two each, and touches no
// other one. Thread-safe.
bool CloseConnectionOf(absl::string_view peer, int port);

}  // namespace resnetd
