#pragma once

#include <memory>
#include <string>

#include "server/base/clock.h"
#include "server/models/replica.h"

namespace resnetd {

struct RegistryClientOptions {
  // One message received: chunks of blobs have at most 1 MiB.
  std::size_t max_message_bytes = 64U << 20U;
  // Of a call that answers at once, and of one that brings a blob.
  Duration short_timeout = std::chrono::seconds(10);
  Duration long_timeout = std::chrono::minutes(10);
};

// The models of the server at `address` ("HOST:PORT"), over gRPC. Connects on
// the first call, and again on each call when the connection is broken.
// Plaintext.
std::unique_ptr<Registry> ConnectRegistry(const std::string& address,
                                          const RegistryClientOptions& options);

}  // namespace resnetd
