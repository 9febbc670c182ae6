#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/base/clock.h"
#include "server/models/replica.h"

namespace resnetd {

struct RegistryClientOptions {
  // One message received: chunks of blobs have at most 1 MiB.
  std::size_t max_message_bytes = 64U << 20U;
  // Of a call that answers at once, and of one that brings a blob.
  Duration short_timeout = std::chrono::seconds(10);
  Duration long_timeout = std::chrono::minutes(10);
  // Authorities of the registry's certificate, PEM; empty: plaintext.
  std::string ca_file = {};
  // What this server proves itself with; both or neither.
  std::string certificate_file = {};
  std::string key_file = {};
  // File with a token, sent with each call.
  std::string token_file = {};
  // The name in the registry's certificate; empty: the host of its address.
  std::string server_name = {};
};

// The models of the server at `address` ("HOST:PORT"), over gRPC. Connects on
// the first call, and again on each call when the connection is broken. Files
// that have changed are read again by List().
// INVALID_ARGUMENT: a file cannot be read or used; List() fails so too.
absl::StatusOr<std::unique_ptr<Registry>> ConnectRegistry(
    const std::string& address, const RegistryClientOptions& options);

}  // namespace resnetd
