#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace resnetd::client {

// An address as a person writes it.
struct Target {
  // As gRPC takes it, e.g. "dns:///localhost:8001".
  std::string grpc;
  // For messages, e.g. "localhost:8001".
  std::string shown;
  // On this very machine, as far as the name tells.
  bool local = false;
};

// "HOST:PORT", "HOST" (port 8001), "[IPV6]:PORT" or a gRPC target with a
// scheme. INVALID_ARGUMENT with reason kReasonBadAddress otherwise.
absl::StatusOr<Target> ParseTarget(absl::string_view server);

}  // namespace resnetd::client
