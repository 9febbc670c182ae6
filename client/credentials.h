#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "client/security.h"
#include "client/target.h"

namespace resnetd::client {

// How channels to a target are made secure.
struct ChannelSecurity {
  std::shared_ptr<grpc::ChannelCredentials> credentials;
  // The name that the certificate must have; empty: that of the target.
  std::string server_name;
  bool is_tls = false;
};

// Reads the files, which are watched from then on: certificates every few
// seconds, the token at each call. A token in plaintext goes to this machine
// alone: to another one no connection is made with it.
// INVALID_ARGUMENT (kReasonBadCredentials): a file cannot be read or used, or
// the options contradict each other.
absl::StatusOr<ChannelSecurity> MakeSecurity(const SecurityOptions& options,
                                             const Target& target);

// Plaintext without a token.
ChannelSecurity Plaintext();

}  // namespace resnetd::client
