#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "client/credentials.h"
#include "client/load/load_run.h"
#include "client/target.h"
#include "client/types.h"

namespace resnetd::v1 {
class ClassifyResponse;
}  // namespace resnetd::v1

namespace resnetd::client {

struct GrpcCallerOptions {
  Target target;
  ChannelSecurity security = Plaintext();
  LoadMethod method = LoadMethod::kClassify;
  // Taken in turns; at least one.
  std::vector<ClassifyRequest> requests;
  // The deadline of each call.
  Duration timeout = std::chrono::seconds(10);
  // Calls are spread over so many connections; >= 1. A server takes so many
  // calls at once from each.
  std::size_t connections = 1;
  // Looks at the answer of a Classify, in the thread that takes all of them,
  // and says how it ended. Empty: well, unless one of its pictures failed.
  std::function<CallOutcome(std::size_t number,
                            const v1::ClassifyResponse& response)>
      check = {};
};

// Calls as they are: none is repeated, whatever its end, so that the server is
// seen and not the client.
std::unique_ptr<Caller> MakeGrpcCaller(GrpcCallerOptions options);

}  // namespace resnetd::client
