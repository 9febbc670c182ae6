#pragma once

#include <grpcpp/grpcpp.h>

#include <deque>
#include <memory>

#include "server/finetune/job_manager.h"
#include "server/rpc/call_lanes.h"
#include "server/rpc/call_record.h"
#include "server/rpc/event_watches.h"

namespace resnetd {

// The open calls of FineTuneService.WatchFineTuneJob. Thread-safe.
class JobWatches {
 public:
  // Everything outlives the calls; Drain() and the destructor come before the
  // end of `lane`. Null `manager`: every call ends with NoTraining().
  JobWatches(CallEnvironment& environment, JobManager* manager, CallLane& lane);
  // No call is open any more.
  ~JobWatches();
  JobWatches(const JobWatches&) = delete;
  JobWatches& operator=(const JobWatches&) = delete;

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
  JobManager* const manager_;
  EventWatches watches_;
  std::unique_ptr<JobManager::Subscription> subscription_;
};

// Makes one event of adjacent StepMetrics: means by the number of steps, with
// sequence, time and step of the last. Everything else stays as it is.
std::deque<JobEvent> CoalesceSteps(std::deque<JobEvent> events);

}  // namespace resnetd
