#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/base/clock.h"
#include "server/base/ids.h"
#include "server/finetune/dataset_manager.h"
#include "server/finetune/evaluator.h"
#include "server/finetune/job_manager.h"
#include "server/finetune/version_prober.h"
#include "server/models/model_manager.h"
#include "server/models/model_registry.h"
#include "server/rpc/access.h"
#include "server/rpc/call_gate.h"
#include "server/rpc/request_limits.h"
#include "server/rpc/server_facts.h"
#include "server/rpc/tls_source.h"
#include "server/serving/classifier.h"
#include "server/telemetry/serving_metrics.h"

namespace resnetd {

// A flood brings some ten thousand streams a second: in this time as many as a
// connection may have. To ask whether there is one takes 33 us of a core.
inline constexpr Duration kFloodTick = std::chrono::milliseconds(20);

struct GrpcServerOptions {
  // Host or address to listen on; empty: all, IPv4 and IPv6.
  std::string host;
  // 0: any free port, see GrpcServer::port().
  int port = 8001;
  RequestLimits requests;
  CallLimits calls;
  // What connections are made with; null: plaintext. Outlives the server.
  const TlsSource* tls = nullptr;
  // Who may call what; null: everybody everything. Health is asked without
  // credentials. Outlives the server.
  const AccessControl* access = nullptr;
  // The models are another server's: calls that change them answer
  // FAILED_PRECONDITION (REPLICA).
  bool is_replica = false;
  // False: there is no ClassificationService.
  bool classifies = true;
  // One message, received or sent (max-message-bytes).
  std::size_t max_message_bytes = 64U << 20U;
  // All keys and values of a call's metadata together.
  std::size_t max_metadata_bytes = 8U << 10U;
  // Advertised to clients; CallLimits bind those who ignore it.
  int max_concurrent_streams = 256;
  // Clients re-resolve names only when a connection ends, and nothing else ends
  // an upload that stalls before its message is complete.
  Duration max_connection_age = std::chrono::minutes(10);
  Duration max_connection_age_grace = std::chrono::seconds(30);
  Duration max_connection_idle = std::chrono::minutes(5);
  Duration keepalive_time = std::chrono::seconds(30);
  Duration keepalive_timeout = std::chrono::seconds(10);
  // Clients that ping more often are disconnected.
  Duration min_ping_interval = std::chrono::seconds(10);
};

// What a server with the role of training has beside. Owns nothing.
struct TrainingParts {
  // Null, of either: calls that need it answer FAILED_PRECONDITION
  // (BACKEND_UNAVAILABLE).
  JobManager* jobs = nullptr;
  DatasetManager* datasets = nullptr;
  // Null: as `jobs`.
  Evaluator* evaluator = nullptr;
  VersionProber* lab = nullptr;
};

// The gRPC listener: resnetd.v1 (Classification, Model, Dataset, FineTune,
// VersionProber, Server), health and reflection.
//
// Calls run in gRPC's threads; none of them blocks. Thread-safe.
class GrpcServer {
 public:
  // Listens from the return on, not ready: health is NOT_SERVING but for
  // "liveness", Classify and every change are UNAVAILABLE (STARTING). The
  // classifier, the registry, the manager, the telemetry, the clock and the
  // parts for training belong to the caller and outlive the server.
  // UNAVAILABLE: the port is in use. PERMISSION_DENIED: it is not allowed.
  // INVALID_ARGUMENT: the host is not one of this machine. The text names the
  // address and --listen.
  static absl::StatusOr<std::unique_ptr<GrpcServer>> Start(
      const GrpcServerOptions& options, Classifier& classifier,
      const ModelRegistry& registry, ModelManager& manager,
      Telemetry& telemetry, const ServerFacts& facts, const Clock& clock,
      const TrainingParts& training = {});

  // Without a Drain() before, cancels what is in flight. Returns when the
  // classifier has answered every call.
  ~GrpcServer();
  GrpcServer(const GrpcServer&) = delete;
  GrpcServer& operator=(const GrpcServer&) = delete;

  // The port it listens on.
  int port() const;

  // True: takes calls; the health names "", "startup",
  // "resnetd.v1.ClassificationService" and, where there is one,
  // "resnetd.v1.DatasetService" become SERVING, and "startup" stays so;
  // the names "models/NAME" begin to follow whether the model answers.
  // False: refuses them as STARTING. No effect once Drain() was called.
  void SetReady(bool ready);

  // The health name "models/NAME".
  void SetModelServing(const ModelName& name, bool is_serving);

  // Ends the calls whose credentials were taken back, have ended, or whose role
  // no longer includes the method: streams and watches at once, an upload with
  // its next message, a unary call unless its answer is ready by then. They get
  // UNAUTHENTICATED or PERMISSION_DENIED with the reason that a new call would
  // get. Returns how many. For whoever replaces the AccessList; 0 without one.
  std::size_t EndRevokedCalls();

  // Resets the connections that have more than four times the streams open
  // that their clients were told, and more than 1024, be they calls that nobody
  // here has seen yet: gRPC 1.51 holds whoever does not acknowledge the number
  // to nothing, and each stream is some 20 KB. Looks at some hundred
  // connections and goes on from there the next time. Returns how many it has
  // reset. By one thread at a time, as WatchForFloods() is.
  std::size_t EndFloods();

  // EndFloods() when it is time for that: see LookSchedule. To be called every
  // kFloodTick.
  std::size_t WatchForFloods();

  // Shuts down without losing a call: every health name but "liveness" and
  // "startup" becomes NOT_SERVING; for `delay` calls are still taken, so that
  // clients and load balancers can turn away; then new ones are refused with
  // UNAVAILABLE (DRAINING), those in flight have `grace` to finish, the rest is
  // cancelled; a change that has begun is finished all the same. Watches end
  // at once. `when_refusing` is called when new calls are refused, before those
  // in flight are waited for, and its time is part of `grace`; empty: nothing
  // is. Blocks until done; returns how many calls were cancelled. A second call
  // does nothing.
  std::size_t Drain(Duration delay, Duration grace,
                    const std::function<void()>& when_refusing = {});

 private:
  class Impl;
  explicit GrpcServer(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace resnetd
