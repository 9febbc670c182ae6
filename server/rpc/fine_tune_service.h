#pragma once

#include <grpcpp/grpcpp.h>

#include <cstddef>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "resnetd/v1/fine_tune_service.grpc.pb.h"
#include "server/finetune/job_manager.h"
#include "server/rpc/call_lanes.h"
#include "server/rpc/call_record.h"
#include "server/rpc/job_watches.h"
#include "server/rpc/unary_call.h"

namespace resnetd {

// The generated service with methods that take the bytes of their messages
// themselves, so that a call can be refused before they are parsed.
namespace raw {

using Jobs = v1::FineTuneService;

template <typename Service>
using JobChanges = Jobs::WithRawCallbackMethod_CreateFineTuneJob<
    Jobs::WithRawCallbackMethod_StartFineTuneJob<
        Jobs::WithRawCallbackMethod_PauseFineTuneJob<
            Jobs::WithRawCallbackMethod_ResumeFineTuneJob<
                Jobs::WithRawCallbackMethod_CancelFineTuneJob<
                    Jobs::WithRawCallbackMethod_DeleteFineTuneJob<
                        Jobs::WithRawCallbackMethod_DeleteCheckpoint<
                            Service>>>>>>>;

template <typename Service>
using JobWork = Jobs::WithRawCallbackMethod_EstimateFineTuneJob<
    Jobs::WithRawCallbackMethod_PublishCheckpoint<Service>>;

template <typename Service>
using JobReads = Jobs::WithRawCallbackMethod_GetFineTuneJob<
    Jobs::WithRawCallbackMethod_ListFineTuneJobs<
        Jobs::WithRawCallbackMethod_ListFineTuneJobEvents<
            Jobs::WithRawCallbackMethod_ListCheckpoints<
                Jobs::WithRawCallbackMethod_GetCheckpoint<
                    Jobs::WithRawCallbackMethod_GetGradientReport<
                        Jobs::WithRawCallbackMethod_WatchFineTuneJob<
                            Service>>>>>>>;

using FineTuneService = JobChanges<JobWork<JobReads<Jobs::Service>>>;

}  // namespace raw

// What the calls of FineTuneService wait in. The destructor runs what waits to
// its end. Thread-safe.
struct JobLanes {
  // `max_calls`: calls that may be in flight. Each has at most one task in
  // `reads`, and the watches one together: it is never full.
  explicit JobLanes(std::size_t max_calls)
      : changes("job-change", 1, CallLanes::kMaxWaitingChanges),
        work("job-work", 1, kMaxWaitingWork),
        reads("job-read", 1, max_calls + 1) {}

  // One after the other. Not in the lane of models: taking a job in may load
  // LibTorch, and a roll-back must not wait for that.
  CallLane changes;
  // Estimates and versions of checkpoints: each takes seconds to minutes, and
  // a cancellation must not wait for that.
  CallLane work;
  // Lists and events.
  CallLane reads;

  static constexpr std::size_t kMaxWaitingWork = 8;
};

// resnetd.v1.FineTuneService over a JobManager. No call waits in gRPC's
// threads. Thread-safe.
class FineTuneService final : public raw::FineTuneService {
 public:
  // Everything belongs to the caller and outlives the service. Null `manager`:
  // the server does not train, see NoTraining().
  FineTuneService(CallEnvironment& environment, JobManager* manager,
                  std::size_t max_calls);
  // No call is open any more.
  ~FineTuneService() override;

  // Ends every WatchFineTuneJob with UNAVAILABLE (DRAINING).
  void EndWatches() { watches_.Drain(); }
  // Has every WatchFineTuneJob look whether it may go on.
  void WakeWatches() { watches_.Wake(); }

  grpc::ServerUnaryReactor* CreateFineTuneJob(
      grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
      grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* StartFineTuneJob(
      grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
      grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* PauseFineTuneJob(
      grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
      grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* ResumeFineTuneJob(
      grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
      grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* CancelFineTuneJob(
      grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
      grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* DeleteFineTuneJob(
      grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
      grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* GetFineTuneJob(grpc::CallbackServerContext* context,
                                           const grpc::ByteBuffer* request,
                                           grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* ListFineTuneJobs(
      grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
      grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* ListFineTuneJobEvents(
      grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
      grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* ListCheckpoints(
      grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
      grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* GetGradientReport(
      grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
      grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* GetCheckpoint(grpc::CallbackServerContext* context,
                                          const grpc::ByteBuffer* request,
                                          grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* DeleteCheckpoint(
      grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
      grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* PublishCheckpoint(
      grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
      grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* EstimateFineTuneJob(
      grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
      grpc::ByteBuffer* response) override;
  grpc::ServerWriteReactor<grpc::ByteBuffer>* WatchFineTuneJob(
      grpc::CallbackServerContext* context,
      const grpc::ByteBuffer* request) override;

 private:
  // A call that only reads: answered at any time.
  template <typename Request, typename Response>
  grpc::ServerUnaryReactor* Read(
      absl::string_view method, grpc::CallbackServerContext& context,
      const grpc::ByteBuffer& request, grpc::ByteBuffer& response,
      absl::StatusOr<Response> (*read)(JobManager&, const Request&));
  // In `lane`.
  template <typename Request, typename Response>
  grpc::ServerUnaryReactor* Change(
      CallLane& lane, absl::string_view method,
      grpc::CallbackServerContext& context, const grpc::ByteBuffer& request,
      grpc::ByteBuffer& response,
      absl::StatusOr<Response> (*change)(JobManager&, const RequestLimits&,
                                         const Request&, absl::string_view));

  CallEnvironment& environment_;
  JobManager* const manager_;
  // Ends before the watches: its tasks wake them.
  std::unique_ptr<JobLanes> lanes_;
  JobWatches watches_;
};

}  // namespace resnetd
