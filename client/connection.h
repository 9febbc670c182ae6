#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <stop_token>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "client/credentials.h"
#include "client/retry_policy.h"
#include "client/target.h"
#include "client/types.h"
#include "server/base/mutex.h"

namespace resnetd::client {

// The largest message in either direction; the server's default is the same.
inline constexpr int kMaxMessageBytes = 64 << 20;

// The service config of our clients, as JSON: calls take the servers in turns
// and, with a `health` name, only those that report it as SERVING ("" is the
// server as a whole). It names no retries: Connection makes them.
std::string ServiceConfig(const std::optional<std::string>& health);

// What every channel of ours has in common. `agent` goes before gRPC's own name
// in the user agent, e.g. "resnetd-client".
grpc::ChannelArguments CommonArguments(const Target& target,
                                       const ChannelSecurity& security,
                                       absl::string_view agent);

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
    // With all repetitions; zero: it has none.
    std::chrono::nanoseconds timeout{0};
    // Whether it may be tried again at all: MayRepeat().
    bool repeats = false;
    // Asked before each repetition; empty: it may.
    std::function<bool()> may_repeat = {};
  };
  struct Options {
    // The health name that kHealthy looks at.
    std::string health = {};
    RetryLimits retries = {};
    // Of RetryBudget.
    double retry_share = 0.1;
    ChannelSecurity security = Plaintext();
  };

  explicit Connection(Target target) : Connection(std::move(target), {}) {}
  Connection(Target target, const Options& options);

  const Target& target() const { return target_; }
  // Made on first use; lives as long as the Connection.
  const std::shared_ptr<grpc::Channel>& channel(Route route) const {
    return route == Route::kHealthy ? healthy_ : any_;
  }

  // Runs `attempt`, again as PauseBeforeNext() says and as long as the budget
  // of this connection lasts, until the timeout. Failures to reach a server
  // come back as kReasonNoConnection or kReasonNotServing.
  absl::Status Call(const Manner& manner, const Try& attempt) const;

  // What Call() does around each try, for those who run streams on a channel.

  // A call, which pays into the budget.
  void CountCall() const;
  // One time that it is sent.
  void CountTry() const { ++tries_; }
  // The pause before the try after `tries`, of which the last one ended with
  // `status`; the budget pays for it. Nothing: there is none.
  std::optional<std::chrono::nanoseconds> PauseBefore(
      const grpc::Status& status, const grpc::ClientContext& context, int tries,
      std::chrono::nanoseconds left) const;
  // The error of a call that no server answered, in words of ours; every other
  // one as it came. May ask the server, for a second.
  absl::Status Explain(const Manner& manner, const grpc::Status& status) const;

  CallCounts counts() const;

 private:
  double Uniform() const ABSL_LOCKS_EXCLUDED(mutex_);
  // The same where TLS is what failed; OK: it is not.
  absl::Status ExplainTls(const grpc::Status& status) const;

  const Target target_;
  const RetryLimits retries_;
  const bool is_tls_;
  const std::shared_ptr<grpc::Channel> healthy_;
  const std::shared_ptr<grpc::Channel> any_;
  mutable RetryBudget budget_;
  // Counters: nothing depends on their order.
  mutable std::atomic<std::uint64_t> calls_ = 0;
  mutable std::atomic<std::uint64_t> tries_ = 0;
  mutable std::atomic<std::uint64_t> unaffordable_ = 0;
  mutable Mutex mutex_;
  mutable std::mt19937_64 random_ ABSL_GUARDED_BY(mutex_){
      std::random_device()()};
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
