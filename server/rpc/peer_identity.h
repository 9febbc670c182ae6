#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace resnetd {

// Who a peer of gRPC is, as far as fairness and shares go: its address without
// the port, so that many connections of one machine count as one caller.
// "ipv4:10.0.0.7:51234" is "ipv4:10.0.0.7", and an IPv4 address that came over
// IPv6 is the same. Of IPv6 it is the network of 64 bits, in which one machine
// may take as many addresses as it likes: "ipv6:[2001:db8::5]:9" (also with %5B
// and %5D, as gRPC writes it) is "ipv6:2001:db8::/64". The loopback and the
// addresses of a link, which all share one network, are themselves. Every
// socket of the file system is "unix". Anything else is itself.
std::string IdentityOfPeer(absl::string_view peer);

}  // namespace resnetd
