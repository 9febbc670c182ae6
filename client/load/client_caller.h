#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "client/client.h"
#include "client/load/load_run.h"
#include "client/types.h"

namespace resnetd::client {

struct ClientCallerOptions {
  // Taken in turns; at least one.
  std::vector<ClassifyRequest> requests;
  // Calls that are out at once; more wait here. >= 1.
  std::size_t threads = 1;
};

// Classify calls as the client library makes them: with its timeout and its
// repetitions, and over all servers that it knows. `client` outlives it.
std::unique_ptr<Caller> MakeClientCaller(Client& client,
                                         ClientCallerOptions options);

}  // namespace resnetd::client
