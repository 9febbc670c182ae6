#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "client/credentials.h"
#include "client/load/load_run.h"
#include "client/target.h"
#include "client/types.h"

namespace resnetd::client {

struct StreamCallerOptions {
  Target target;
  ChannelSecurity security = Plaintext();
  // Taken in turns; at least one.
  std::vector<ClassifyRequest> requests;
  // The deadline of each call.
  Duration timeout = std::chrono::seconds(10);
  // Calls are spread over so many streams in turns, and these over so many
  // connections; each >= 1. A server reads so many calls at once from each.
  std::size_t streams = 1;
  std::size_t connections = 1;
};

// Classify calls as messages of ClassifyStream, none of which is repeated. What
// is on a stream that ends has failed with it; the next call opens another one.
std::unique_ptr<Caller> MakeStreamCaller(StreamCallerOptions options);

}  // namespace resnetd::client
