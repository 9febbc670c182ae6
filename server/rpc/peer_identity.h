#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace resnetd {

// Who a peer of gRPC is, as far as fairness and shares go: its address without
// the port, so that many connections of one machine count as one caller.
// "ipv4:10.0.0.7:51234" is "ipv4:10.0.0.7", "ipv6:[::1]:9" (also with %5B and
// %5D, as gRPC writes it) "ipv6:::1", an IPv4 address that came over IPv6 is
// the former. Every socket of the file system is "unix". Anything else is
// itself.
std::string IdentityOfPeer(absl::string_view peer);

}  // namespace resnetd
