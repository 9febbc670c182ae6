#pragma once

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <memory>
#include <unordered_set>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "server/base/mutex.h"
#include "server/models/model_manager.h"
#include "server/rpc/call_lanes.h"
#include "server/rpc/call_record.h"

namespace resnetd {

// Models that one WatchModels call may name.
inline constexpr std::size_t kMaxWatchedModels = 1000;

// The open calls of ModelService.WatchModels. Each reads the store at the pace
// of its client, a few events at a time; a commit wakes those that have read
// everything. No thread waits and nothing polls. Thread-safe.
class ModelWatches {
 public:
  // Everything outlives the calls; Drain() and the destructor come before the
  // end of `lane`.
  ModelWatches(CallEnvironment& environment, ModelManager& manager,
               CallLane& lane);
  // No call is open any more.
  ~ModelWatches();
  ModelWatches(const ModelWatches&) = delete;
  ModelWatches& operator=(const ModelWatches&) = delete;

  grpc::ServerWriteReactor<grpc::ByteBuffer>* Open(
      grpc::CallbackServerContext& context, const grpc::ByteBuffer& request);

  // Ends every call with UNAVAILABLE (DRAINING) once the event on its way is
  // sent, and refuses new ones. `true` from here on.
  void Drain() ABSL_LOCKS_EXCLUDED(mutex_);

  // No longer listens to the manager.
  void StopListening() { subscription_.reset(); }

 private:
  class Watch;

  // False after Drain().
  bool Add(const std::shared_ptr<Watch>& watch) ABSL_LOCKS_EXCLUDED(mutex_);
  void Remove(const std::shared_ptr<Watch>& watch) ABSL_LOCKS_EXCLUDED(mutex_);
  // Called after each commit.
  void WakeSoon() ABSL_LOCKS_EXCLUDED(mutex_);
  void WakeAll() ABSL_LOCKS_EXCLUDED(mutex_);
  std::vector<std::shared_ptr<Watch>> All() ABSL_LOCKS_EXCLUDED(mutex_);

  CallEnvironment& environment_;
  ModelManager& manager_;
  CallLane& lane_;
  Mutex mutex_;
  std::unordered_set<std::shared_ptr<Watch>> watches_ ABSL_GUARDED_BY(mutex_);
  bool drained_ ABSL_GUARDED_BY(mutex_) = false;
  // A task that wakes all is on its way.
  bool waking_ ABSL_GUARDED_BY(mutex_) = false;
  std::unique_ptr<ModelManager::Subscription> subscription_;
};

}  // namespace resnetd
