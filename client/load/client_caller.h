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
  LoadMethod method = LoadMethod::kClassify;
};

// Calls as the client library makes them: with its timeout and its repetitions,
// and over all servers that it knows. `client` outlives it.
std::unique_ptr<Caller> MakeClientCaller(Client& client,
                                         ClientCallerOptions options);

struct ClientStreamCallerOptions {
  // Taken in turns; at least one.
  std::vector<ClassifyRequest> requests;
  // Calls are spread over so many streams in turns; >= 1.
  std::size_t streams = 1;
  // Of each call, from when it is given to a stream.
  Duration timeout = std::chrono::seconds(10);
};

// Classify calls over ClassifyStream of the client library. A stream takes 64
// calls at once; more wait here. `client` outlives it.
std::unique_ptr<Caller> MakeClientStreamCaller(
    Client& client, ClientStreamCallerOptions options);

}  // namespace resnetd::client
