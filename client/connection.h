#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "client/target.h"

namespace resnetd::client {

// The largest message in either direction; the server's default is the same.
inline constexpr int kMaxMessageBytes = 64 << 20;

// The service config of our clients, as JSON: which methods gRPC repeats
// (uploads and watches it does not, since it would keep their bytes in memory),
// how the load is spread and, with `health_checked`, that only servers which
// report themselves healthy are used.
std::string ServiceConfig(bool health_checked);

// Runs calls on two channels to one target. `kHealthy` sends only to servers
// that report SERVING; `kAny` sends to all that can be reached, so that a
// server can be asked why it is not serving.
//
// Thread-safe.
class Connection {
 public:
  enum class Route { kHealthy, kAny };
  // One try of a call: sends with the given context and waits for the answer.
  using Try = std::function<grpc::Status(grpc::ClientContext& context)>;

  // How a call is made.
  struct Manner {
    Route route = Route::kAny;
    // With all repetitions.
    std::chrono::nanoseconds timeout;
    // True: also UNAVAILABLE and CANCELLED are repeated here, since the
    // service config does not name the method.
    bool repeats_here = false;
    // Asked before each repetition; empty: it may.
    std::function<bool()> may_repeat = {};
  };

  Connection(Target target, std::chrono::nanoseconds timeout);

  const Target& target() const { return target_; }
  // Made on first use; lives as long as the Connection.
  const std::shared_ptr<grpc::Channel>& channel(Route route) const {
    return route == Route::kHealthy ? healthy_ : any_;
  }

  // Runs `attempt`, again after RESOURCE_EXHAUSTED when the server says when
  // (gRPC itself repeats the rest, by the service config), until the timeout.
  // Failures to reach a server come back as kReasonNoConnection or
  // kReasonNotServing.
  absl::Status Call(const Manner& manner, const Try& attempt) const;
  // With the timeout of the constructor.
  absl::Status Call(Route route, const Try& attempt) const;

 private:
  // The error of a call that no server answered, in words of ours.
  absl::Status ExplainUnreachable(const Manner& manner,
                                  const grpc::Status& status) const;

  Target target_;
  std::chrono::nanoseconds timeout_;
  std::shared_ptr<grpc::Channel> healthy_;
  std::shared_ptr<grpc::Channel> any_;
};

// Asks the health service: SERVING is 1, NOT_SERVING 2 (grpc.health.v1).
grpc::Status CheckHealth(const std::shared_ptr<grpc::Channel>& channel,
                         absl::string_view service,
                         grpc::ClientContext& context, int& serving_status);

// Waits, until `stop` is requested at most.
void Pause(std::chrono::nanoseconds pause, const std::stop_token& stop = {});

// Stops gRPC from writing to stderr. Once, before the first Connection.
void SilenceTransportLog();

}  // namespace resnetd::client
