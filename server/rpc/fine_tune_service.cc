#include "server/rpc/fine_tune_service.h"

#include "server/rpc/job_changes.h"
#include "server/rpc/job_reads.h"

namespace resnetd {

FineTuneService::FineTuneService(CallEnvironment& environment,
                                 JobManager* manager, std::size_t max_calls)
    : environment_(environment),
      manager_(manager),
      lanes_(std::make_unique<JobLanes>(max_calls)),
      watches_(environment, manager, lanes_->reads) {}

FineTuneService::~FineTuneService() {
  // No event wakes anybody any more; then what was woken is run to its end.
  watches_.StopListening();
  lanes_.reset();
}

template <typename Request, typename Response>
grpc::ServerUnaryReactor* FineTuneService::Read(
    absl::string_view method, grpc::CallbackServerContext& context,
    const grpc::ByteBuffer& request, grpc::ByteBuffer& response,
    absl::StatusOr<Response> (*read)(JobManager&, const Request&)) {
  auto* call = new PooledCall<Request, Response>(environment_, method, context,
                                                 response);
  call->Start(request, Availability::kAlways, lanes_->reads,
              [this, read](const Request& message,
                           CallRecord&) -> absl::StatusOr<Response> {
                return manager_ == nullptr ? NoTraining()
                                           : read(*manager_, message);
              });
  return call;
}

template <typename Request, typename Response>
grpc::ServerUnaryReactor* FineTuneService::Change(
    CallLane& lane, absl::string_view method,
    grpc::CallbackServerContext& context, const grpc::ByteBuffer& request,
    grpc::ByteBuffer& response,
    absl::StatusOr<Response> (*change)(JobManager&, const RequestLimits&,
                                       const Request&, absl::string_view)) {
  auto* call = new PooledCall<Request, Response>(environment_, method, context,
                                                 response);
  call->Start(request, Availability::kWhenServing, lane,
              [this, change](const Request& message,
                             CallRecord& record) -> absl::StatusOr<Response> {
                if constexpr (requires { message.request_id(); }) {
                  record.UseRequestId(message.request_id());
                }
                return manager_ == nullptr
                           ? NoTraining()
                           : change(*manager_, environment_.limits, message,
                                    record.actor());
              });
  return call;
}

grpc::ServerUnaryReactor* FineTuneService::CreateFineTuneJob(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return Change(lanes_->changes, "CreateFineTuneJob", *context, *request,
                *response, resnetd::CreateFineTuneJob);
}

grpc::ServerUnaryReactor* FineTuneService::StartFineTuneJob(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return Change(lanes_->changes, "StartFineTuneJob", *context, *request,
                *response, resnetd::StartFineTuneJob);
}

grpc::ServerUnaryReactor* FineTuneService::PauseFineTuneJob(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return Change(lanes_->changes, "PauseFineTuneJob", *context, *request,
                *response, resnetd::PauseFineTuneJob);
}

grpc::ServerUnaryReactor* FineTuneService::ResumeFineTuneJob(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return Change(lanes_->changes, "ResumeFineTuneJob", *context, *request,
                *response, resnetd::ResumeFineTuneJob);
}

grpc::ServerUnaryReactor* FineTuneService::CancelFineTuneJob(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return Change(lanes_->changes, "CancelFineTuneJob", *context, *request,
                *response, resnetd::CancelFineTuneJob);
}

grpc::ServerUnaryReactor* FineTuneService::DeleteFineTuneJob(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return Change(lanes_->changes, "DeleteFineTuneJob", *context, *request,
                *response, resnetd::DeleteFineTuneJob);
}

grpc::ServerUnaryReactor* FineTuneService::GetFineTuneJob(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return Read("GetFineTuneJob", *context, *request, *response,
              resnetd::GetFineTuneJob);
}

grpc::ServerUnaryReactor* FineTuneService::ListFineTuneJobs(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return Read("ListFineTuneJobs", *context, *request, *response,
              resnetd::ListFineTuneJobs);
}

grpc::ServerUnaryReactor* FineTuneService::ListFineTuneJobEvents(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return Read("ListFineTuneJobEvents", *context, *request, *response,
              resnetd::ListFineTuneJobEvents);
}

grpc::ServerUnaryReactor* FineTuneService::ListCheckpoints(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return Read("ListCheckpoints", *context, *request, *response,
              resnetd::ListCheckpoints);
}

grpc::ServerUnaryReactor* FineTuneService::GetCheckpoint(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return Read("GetCheckpoint", *context, *request, *response,
              resnetd::GetCheckpoint);
}

grpc::ServerUnaryReactor* FineTuneService::GetGradientReport(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return Read("GetGradientReport", *context, *request, *response,
              resnetd::GetGradientReport);
}

grpc::ServerUnaryReactor* FineTuneService::DeleteCheckpoint(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return Change(lanes_->changes, "DeleteCheckpoint", *context, *request,
                *response, resnetd::DeleteCheckpoint);
}

grpc::ServerUnaryReactor* FineTuneService::PublishCheckpoint(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return Change(lanes_->work, "PublishCheckpoint", *context, *request,
                *response, resnetd::PublishCheckpoint);
}

grpc::ServerUnaryReactor* FineTuneService::EstimateFineTuneJob(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return Change(lanes_->work, "EstimateFineTuneJob", *context, *request,
                *response, resnetd::EstimateFineTuneJob);
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* FineTuneService::WatchFineTuneJob(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request) {
  return watches_.Open(*context, *request);
}

}  // namespace resnetd
