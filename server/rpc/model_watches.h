#pragma once

#include <grpcpp/grpcpp.h>

#include <cstddef>
#include <memory>

#include "server/models/model_manager.h"
#include "server/rpc/call_lanes.h"
#include "server/rpc/call_record.h"
#include "server/rpc/event_watches.h"

namespace resnetd {

// Models that one WatchModels call may name.
inline constexpr std::size_t kMaxWatchedModels = 1000;

// The open calls of ModelService.WatchModels. Thread-safe.
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

  // See EventWatches.
  void Drain() { watches_.Drain(); }
  void Wake() { watches_.WakeSoon(); }

  // No longer listens to the manager.
  void StopListening() { subscription_.reset(); }

 private:
  class Watch;

  CallEnvironment& environment_;
  ModelManager& manager_;
  EventWatches watches_;
  std::unique_ptr<ModelManager::Subscription> subscription_;
};

}  // namespace resnetd
