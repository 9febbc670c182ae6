#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace resnetd {

// Host and port of a listener.
struct Endpoint {
  // Empty: all addresses.
  std::string host;
  // 0: any free port.
  int port = 0;

  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

// Reads "HOST:PORT", "[IPV6]:PORT", ":PORT" and "PORT".
// INVALID_ARGUMENT naming `flag` otherwise.
absl::StatusOr<Endpoint> ParseEndpoint(const std::string& flag,
                                       const std::string& text);

// Whether only this machine reaches it: "localhost", 127.0.0.0/8, ::1.
bool IsLoopback(const Endpoint& endpoint);

}  // namespace resnetd
