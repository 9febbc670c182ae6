#pragma once

#include <chrono>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace resnetd::cli {

// Answer to a plain HTTP GET.
struct HttpAnswer {
  int status = 0;
  std::string body;
};

// GET http://<host_port><path>, over one connection, without redirects. Keeps
// at most 8 MiB of the answer.
// INVALID_ARGUMENT: `host_port` is not HOST:PORT. UNAVAILABLE: no connection,
// or what answers does not speak HTTP. DEADLINE_EXCEEDED: `timeout` passed.
absl::StatusOr<HttpAnswer> HttpGet(absl::string_view host_port,
                                   absl::string_view path,
                                   std::chrono::milliseconds timeout);

}  // namespace resnetd::cli
