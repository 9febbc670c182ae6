#pragma once

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "server/base/mutex.h"
#include "server/rpc/call_gate.h"

namespace resnetd {

// grpc.health.v1.Health with Check and Watch. Own, and not the one inside the
// gRPC library, for two reasons: that one reports "" as serving from the first
// moment on, and reflection cannot describe it.
//
// Outlives the gRPC server it is registered with. Thread-safe.
class HealthService final : public grpc::health::v1::Health::CallbackService {
 public:
  // `limits` are those of the calls: as many watches may be open.
  explicit HealthService(const CallLimits& limits);
  ~HealthService() override;

  // Makes `name` known, or changes it. No effect after Drain().
  void Set(absl::string_view name, bool is_serving) ABSL_LOCKS_EXCLUDED(mutex_);

  // Every name but those in `kept` becomes NOT_SERVING, for good.
  void Drain(const std::vector<std::string>& kept) ABSL_LOCKS_EXCLUDED(mutex_);

  // Ends every Watch with UNAVAILABLE and takes no new ones, so that they do
  // not hold up the shutdown of the server.
  void EndWatches() ABSL_LOCKS_EXCLUDED(mutex_);

  grpc::ServerUnaryReactor* Check(
      grpc::CallbackServerContext* context,
      const grpc::health::v1::HealthCheckRequest* request,
      grpc::health::v1::HealthCheckResponse* response) override;
  grpc::ServerWriteReactor<grpc::health::v1::HealthCheckResponse>* Watch(
      grpc::CallbackServerContext* context,
      const grpc::health::v1::HealthCheckRequest* request) override;

 private:
  class Watcher;
  using Status = grpc::health::v1::HealthCheckResponse::ServingStatus;

  // A status and when it was set, so that the older of two that are on their
  // way is dropped.
  struct Entry {
    Status status = grpc::health::v1::HealthCheckResponse::SERVICE_UNKNOWN;
    std::uint64_t change = 0;
  };

  Entry Find(const std::string& name) const ABSL_LOCKS_EXCLUDED(mutex_);
  std::vector<std::shared_ptr<Watcher>> WatchersOf(
      const std::string& name) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // False after EndWatches().
  bool Add(std::shared_ptr<Watcher> watcher) ABSL_LOCKS_EXCLUDED(mutex_);
  std::shared_ptr<Watcher> Remove(const Watcher* watcher)
      ABSL_LOCKS_EXCLUDED(mutex_);

  CallGate watches_;
  mutable Mutex mutex_;
  std::map<std::string, Entry> entries_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t changes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool drained_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  std::unordered_map<const Watcher*, std::shared_ptr<Watcher>> watchers_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace resnetd
