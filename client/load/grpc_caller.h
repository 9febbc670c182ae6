#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "client/load/load_run.h"
#include "client/target.h"
#include "client/types.h"

namespace resnetd::client {

struct GrpcCallerOptions {
  Target target;
  // Taken in turns; at least one.
  std::vector<ClassifyRequest> requests;
  // The deadline of each call.
  Duration timeout = std::chrono::seconds(10);
  // Calls are spread over so many connections; >= 1. A server takes so many
  // calls at once from each.
  std::size_t connections = 1;
};

// Classify calls as they are: none is repeated, whatever its end, so that the
// server is seen and not the client.
std::unique_ptr<Caller> MakeGrpcCaller(GrpcCallerOptions options);

}  // namespace resnetd::client
