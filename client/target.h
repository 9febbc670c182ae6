#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace resnetd::client {

// An address as a person writes it.
struct Target {
  // As gRPC takes it, e.g. "dns:///localhost:8001"; empty: of a list that was
  // not looked up.
  std::string grpc;
  // For messages, e.g. "localhost:8001".
  std::string shown;
  // On this very machine, as far as the name tells.
  bool local = false;
  // Host and port of each server of a list.
  std::vector<std::pair<std::string, int>> list = {};
};

// "HOST:PORT", "HOST" (port 8001), "[IPV6]:PORT", several of them with commas
// between, or a gRPC target with a scheme. INVALID_ARGUMENT with reason
// kReasonBadAddress otherwise.
absl::StatusOr<Target> ParseTarget(absl::string_view server);

// The same, and looks the names of a list up, which may block. What is not
// found is left out. UNAVAILABLE with reason kReasonNoConnection: nothing is.
absl::StatusOr<Target> ResolveTarget(absl::string_view server);

// Each server that `servers` stands for, by itself, as Target::shown: a name
// stands for one at each of its addresses, which is how a headless service
// names its replicas. Where a name has addresses of both families it is those
// of IPv4: a replica has one of each. A target of gRPC that is not "dns:///" is
// one server. Blocks while names are looked up; one that is not known stays as
// it is. INVALID_ARGUMENT with reason kReasonBadAddress: not addresses.
absl::StatusOr<std::vector<std::string>> EachServer(absl::string_view servers);

// The target of gRPC for addresses such as {"127.0.0.1", 1} and {"::1", 2}, at
// least one, each once.
std::string TargetOfAddresses(
    const std::vector<std::pair<std::string, int>>& addresses);

}  // namespace resnetd::client
