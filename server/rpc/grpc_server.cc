#include "server/rpc/grpc_server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/server_builder_option.h>
#include <grpcpp/impl/server_builder_plugin.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "server/base/log.h"
#include "server/base/mutex.h"
#include "server/rpc/bind_check.h"
#include "server/rpc/classification_service.h"
#include "server/rpc/connection_closer.h"
#include "server/rpc/dataset_service.h"
#include "server/rpc/fine_tune_service.h"
#include "server/rpc/gradient_lab_service.h"
#include "server/rpc/health_service.h"
#include "server/rpc/library_logs.h"
#include "server/rpc/look_schedule.h"
#include "server/rpc/model_service.h"
#include "server/rpc/open_streams.h"
#include "server/rpc/server_service.h"
#include "server/rpc/tls_credentials.h"
#include "server/rpc/unary_call.h"

namespace resnetd {
namespace {

constexpr char kReadiness[] = "";
constexpr char kLiveness[] = "liveness";
constexpr char kStartup[] = "startup";
constexpr char kClassification[] = "resnetd.v1.ClassificationService";
constexpr char kDatasets[] = "resnetd.v1.DatasetService";

// A client that opens a connection and says nothing is let go after this.
constexpr Duration kHandshakeTimeout = std::chrono::seconds(10);
// A client that keeps to what it was told has no more streams open than that,
// but for those that the server lets go a moment later: four times as many, or
// 20 MB of them, are not its doing.
constexpr std::size_t kFloodFactor = 4;
constexpr std::size_t kLeastFlood = 1024;
// What a cancelled call gets to end by itself.
constexpr Duration kCancelGrace = std::chrono::milliseconds(200);

int ToMilliseconds(Duration duration) {
  return static_cast<int>(std::clamp<std::int64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(duration).count(),
      0, std::numeric_limits<int>::max()));
}

int ToInt(std::size_t value) {
  return static_cast<int>(std::min<std::size_t>(
      value, static_cast<std::size_t>(std::numeric_limits<int>::max())));
}

// Threads of the reflection service, the only one that is not of the callback
// kind: each open stream of it occupies one.
constexpr int kMaxReflectionThreads = 16;

void BoundReflection(grpc::ServerBuilder& builder) {
  grpc::ResourceQuota quota("resnetd");
  quota.SetMaxThreads(kMaxReflectionThreads);
  builder.SetResourceQuota(quota);
  builder.SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MIN_POLLERS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, 2);
}

// A library that is linked puts reflection into every server, as gRPC's only
// plug-in here. Its streams pass none of our checks: where callers are asked
// who they are, there is none.
class WithoutReflection final : public grpc::ServerBuilderOption {
 public:
  void UpdateArguments(grpc::ChannelArguments* /*arguments*/) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>*
                         plugins) override {
    plugins->clear();
  }
};

void SetTransportLimits(const GrpcServerOptions& options,
                        grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(ToInt(options.max_message_bytes));
  builder.SetMaxSendMessageSize(ToInt(options.max_message_bytes));
  const auto set = [&builder](const char* name, int value) {
    builder.AddChannelArgument(name, value);
  };
  set(GRPC_ARG_MAX_METADATA_SIZE, ToInt(options.max_metadata_bytes));
  set(GRPC_ARG_MAX_CONCURRENT_STREAMS, options.max_concurrent_streams);
  set(GRPC_ARG_MAX_CONNECTION_AGE_MS,
      ToMilliseconds(options.max_connection_age));
  set(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS,
      ToMilliseconds(options.max_connection_age_grace));
  set(GRPC_ARG_MAX_CONNECTION_IDLE_MS,
      ToMilliseconds(options.max_connection_idle));
  set(GRPC_ARG_KEEPALIVE_TIME_MS, ToMilliseconds(options.keepalive_time));
  set(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, ToMilliseconds(options.keepalive_timeout));
  set(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  set(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
      ToMilliseconds(options.min_ping_interval));
  set(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, ToMilliseconds(kHandshakeTimeout));
  // A second server on the port is a mistake, not a load balancer.
  set(GRPC_ARG_ALLOW_REUSEPORT, 0);
  // By which streams are counted.
  set(GRPC_ARG_ENABLE_CHANNELZ, 1);
  // 2 MB of gzip become 2 GB of memory before the size limit is looked at:
  // compressed messages are refused unread.
  set(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
  for (const grpc_compression_algorithm algorithm :
       {GRPC_COMPRESS_DEFLATE, GRPC_COMPRESS_GZIP}) {
    builder.SetCompressionAlgorithmSupportStatus(algorithm, false);
  }
}

}  // namespace

class GrpcServer::Impl {
 public:
  Impl(const GrpcServerOptions& options, Classifier& classifier,
       const ModelRegistry& registry, ModelManager& manager,
       Telemetry& telemetry, const ServerFacts& facts, const Clock& clock,
       const TrainingParts& training)
      : most_streams_(
            std::max(kFloodFactor * options.calls.max_streams_per_connection,
                     kLeastFlood)),
        gate_(
            options.calls, ServingState::kStarting,
            [this](const std::string& peer) { CutOff(peer); },
            telemetry.gate()),
        environment_{.gate = gate_,
                     .telemetry = telemetry,
                     .clock = clock,
                     .limits = options.requests,
                     .max_response_bytes = options.max_message_bytes,
                     .is_replica = options.is_replica,
                     .access = options.access},
        classifies_(options.classifies),
        health_(options.calls),
        classification_(environment_, classifier),
        models_(environment_, registry, manager, training.evaluator,
                options.calls.max_calls,
                [this](const ModelName& name, bool is_serving) {
                  SetModelServing(name, is_serving);
                }),
        datasets_(environment_, training.datasets, options.calls.max_calls),
        has_datasets_(training.datasets != nullptr),
        jobs_(environment_, training.jobs, options.calls.max_calls),
        lab_(environment_, training.lab, options.calls.max_calls),
        server_info_(environment_, facts) {
    health_.Set(kLiveness, true);
    for (const char* name : {kReadiness, kStartup}) {
      health_.Set(name, false);
    }
    if (classifies_) {
      health_.Set(kClassification, false);
    }
    if (has_datasets_) {
      health_.Set(kDatasets, false);
    }
  }

  ~Impl() { Drain(Duration::zero(), Duration::zero(), {}); }

  absl::Status Listen(const GrpcServerOptions& options) {
    if (absl::Status status = CheckCanBind(options.host, options.port);
        !status.ok()) {
      return status;
    }
    RouteLibraryLogs();
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    grpc::ServerBuilder builder;
    SetTransportLimits(options, builder);
    BoundReflection(builder);
    if (options.access != nullptr) {
      builder.SetOption(std::make_unique<WithoutReflection>());
    }
    const std::string address = FormatAddress(options.host, options.port);
    credentials_ = options.tls == nullptr ? grpc::InsecureServerCredentials()
                                          : TlsCredentials(*options.tls);
    builder.AddListeningPort(address, credentials_, &port_);
    if (classifies_) {
      builder.RegisterService(&classification_);
    }
    builder.RegisterService(&models_);
    builder.RegisterService(&datasets_);
    builder.RegisterService(&jobs_);
    builder.RegisterService(&lab_);
    builder.RegisterService(&server_info_);
    builder.RegisterService(&health_);
    server_ = builder.BuildAndStart();
    if (server_ == nullptr || port_ == 0) {
      return absl::UnavailableError(absl::StrCat(
          "cannot listen on ", address,
          "; is the port in use? Choose another one with --listen"));
    }
    return absl::OkStatus();
  }

  int port() const { return port_; }

  void SetReady(bool ready) {
    if (gate_.state() == ServingState::kDraining) {
      return;
    }
    if (ready) {
      gate_.SetState(ServingState::kServing);
      health_.Set(kStartup, true);
      models_.RefreshHealth();
    }
    if (classifies_) {
      health_.Set(kClassification, ready);
    }
    if (has_datasets_) {
      health_.Set(kDatasets, ready);
    }
    health_.Set(kReadiness, ready);
    if (!ready) {
      gate_.SetState(ServingState::kStarting);
    }
  }

  void SetModelServing(const ModelName& name, bool is_serving) {
    health_.Set(ResourceName(name), is_serving);
  }

  std::size_t EndRevokedCalls() {
    if (environment_.access == nullptr) {
      return 0;
    }
    const std::size_t ended = environment_.open_calls.Recheck(
        *environment_.access, environment_.clock.WallNow());
    if (ended > 0) {
      classification_.EndRevokedStreams();
      models_.WakeWatches();
      jobs_.WakeWatches();
    }
    return ended;
  }

  std::size_t EndFloods() {
    std::size_t ended = 0;
    for (const OpenStreams& connection : open_streams_.Next()) {
      if (connection.streams > static_cast<std::int64_t>(most_streams_) &&
          CutOff(connection.peer)) {
        ++ended;
      }
    }
    return ended;
  }

  std::size_t WatchForFloods() {
    const std::int64_t unseen =
        CallsBegunAndNotEnded() - static_cast<std::int64_t>(gate_.calls());
    if (!looks_.IsDue(unseen, environment_.clock.Now())) {
      return 0;
    }
    const std::size_t ended = EndFloods();
    looks_.Looked(open_streams_.is_at_start());
    return ended;
  }

  std::size_t Drain(Duration delay, Duration grace,
                    const std::function<void()>& when_refusing)
      ABSL_LOCKS_EXCLUDED(mutex_) {
    {
      MutexLock lock(mutex_);
      if (drained_) {
        return 0;
      }
      drained_ = true;
    }
    health_.Drain({kLiveness, kStartup});
    WaitFor(delay);
    gate_.SetState(ServingState::kDraining);
    const SteadyTime patience = std::chrono::steady_clock::now() + grace;
    classification_.EndStreams();
    models_.EndWatches();
    jobs_.EndWatches();
    if (when_refusing) {
      when_refusing();
    }
    gate_.WaitUntilIdle(patience);
    const std::size_t cut_off = gate_.calls();
    health_.EndWatches();
    if (server_ != nullptr) {
      server_->Shutdown(std::chrono::system_clock::now() + kCancelGrace);
      server_->Wait();
    }
    return cut_off;
  }

 private:
  // gRPC 1.51 asks nobody whether a client has acknowledged how many streams it
  // may open: each costs 20 KB before a call of it can be refused.
  bool CutOff(const std::string& peer) const {
    const bool is_closed = CloseConnectionOf(peer, port_);
    if (is_closed) {
      Log(LogLevel::kWarning,
          "closed a connection that opens more streams than it was told to",
          {{"peer", peer}});
    }
    return is_closed;
  }

  void WaitFor(Duration delay) ABSL_LOCKS_EXCLUDED(mutex_) {
    const SteadyTime end = std::chrono::steady_clock::now() + delay;
    MutexLock lock(mutex_);
    while (std::chrono::steady_clock::now() < end) {
      changed_.WaitUntil(mutex_, end);
    }
  }

  // Of one connection.
  const std::size_t most_streams_;
  OpenStreamsReader open_streams_;
  LookSchedule looks_;
  CallGate gate_;
  CallEnvironment environment_;
  const bool classifies_;
  HealthService health_;
  ClassificationService classification_;
  ModelService models_;
  DatasetService datasets_;
  // Whether health is told of it.
  const bool has_datasets_;
  FineTuneService jobs_;
  GradientLabService lab_;
  ServerService server_info_;
  int port_ = 0;
  Mutex mutex_;
  CondVar changed_;
  bool drained_ ABSL_GUARDED_BY(mutex_) = false;
  // Asked for certificates at each handshake.
  std::shared_ptr<grpc::ServerCredentials> credentials_;
  // Last, so that it ends before what its calls use.
  std::unique_ptr<grpc::Server> server_;
};

GrpcServer::GrpcServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

GrpcServer::~GrpcServer() = default;

absl::StatusOr<std::unique_ptr<GrpcServer>> GrpcServer::Start(
    const GrpcServerOptions& options, Classifier& classifier,
    const ModelRegistry& registry, ModelManager& manager, Telemetry& telemetry,
    const ServerFacts& facts, const Clock& clock,
    const TrainingParts& training) {
  auto impl = std::make_unique<Impl>(options, classifier, registry, manager,
                                     telemetry, facts, clock, training);
  if (absl::Status status = impl->Listen(options); !status.ok()) {
    return status;
  }
  return std::unique_ptr<GrpcServer>(new GrpcServer(std::move(impl)));
}

int GrpcServer::port() const { return impl_->port(); }

void GrpcServer::SetReady(bool ready) { impl_->SetReady(ready); }

void GrpcServer::SetModelServing(const ModelName& name, bool is_serving) {
  impl_->SetModelServing(name, is_serving);
}

std::size_t GrpcServer::EndRevokedCalls() { return impl_->EndRevokedCalls(); }

std::size_t GrpcServer::EndFloods() { return impl_->EndFloods(); }

std::size_t GrpcServer::WatchForFloods() { return impl_->WatchForFloods(); }

std::size_t GrpcServer::Drain(Duration delay, Duration grace,
                              const std::function<void()>& when_refusing) {
  return impl_->Drain(delay, grace, when_refusing);
}

}  // namespace resnetd
