#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>

#include "client/convert.h"
#include "client/credentials.h"
#include "client/load/call_outcome.h"
#include "client/load/load_run.h"
#include "client/target.h"

namespace resnetd::client {

// What callers have in common that make calls of gRPC without the client
// library.

// A channel with a connection of its own.
std::shared_ptr<grpc::Channel> MakeLoadChannel(const Target& target,
                                               const ChannelSecurity& security);

// How a call ended that has this answer: one whose pictures did not all come
// through is none that was answered.
template <typename Response>
CallOutcome OutcomeOfAnswer(const Response& response) {
  for (const auto& result : response.results()) {
    if (result.has_error()) {
      return OutcomeOf(FromProto(result.error()));
    }
  }
  return {};
}

}  // namespace resnetd::client
