#include "server/rpc/dataset_service.h"

#include "server/rpc/dataset_changes.h"
#include "server/rpc/dataset_reads.h"
#include "server/rpc/job_reads.h"
#include "server/rpc/upload_call.h"

namespace resnetd {
namespace {

// Uploads that are worked on at once; their decoding has threads of its own.
constexpr std::size_t kUploadThreads = 2;
// A report over a large dataset takes seconds: lists do not wait for one.
constexpr std::size_t kReadThreads = 2;

}  // namespace

DatasetService::DatasetService(CallEnvironment& environment,
                               DatasetManager* manager, std::size_t max_calls)
    : environment_(environment),
      manager_(manager),
      control_("data-control", 1, CallLanes::kMaxWaitingChanges),
      uploads_("data-upload", kUploadThreads, max_calls),
      reads_("data-read", kReadThreads, max_calls) {}

template <typename Request, typename Response>
grpc::ServerUnaryReactor* DatasetService::Read(
    absl::string_view method, grpc::CallbackServerContext& context,
    const grpc::ByteBuffer& request, grpc::ByteBuffer& response,
    absl::StatusOr<Response> (*read)(DatasetManager&, const Request&)) {
  auto* call = new PooledCall<Request, Response>(environment_, method, context,
                                                 response);
  call->Start(request, Availability::kAlways, reads_,
              [this, read](const Request& message,
                           CallRecord&) -> absl::StatusOr<Response> {
                return manager_ == nullptr ? NoTraining()
                                           : read(*manager_, message);
              });
  return call;
}

template <typename Request, typename Response>
grpc::ServerUnaryReactor* DatasetService::Change(
    absl::string_view method, grpc::CallbackServerContext& context,
    const grpc::ByteBuffer& request, grpc::ByteBuffer& response,
    absl::StatusOr<Response> (*change)(DatasetManager&, const RequestLimits&,
                                       const Request&, absl::string_view)) {
  auto* call = new PooledCall<Request, Response>(environment_, method, context,
                                                 response);
  call->Start(request, Availability::kWhenServing, control_,
              [this, change](const Request& message,
                             CallRecord& record) -> absl::StatusOr<Response> {
                record.UseRequestId(message.request_id());
                return manager_ == nullptr
                           ? NoTraining()
                           : change(*manager_, environment_.limits, message,
                                    record.actor());
              });
  return call;
}

grpc::ServerUnaryReactor* DatasetService::CreateDataset(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return Change("CreateDataset", *context, *request, *response,
                resnetd::CreateDataset);
}

grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>*
DatasetService::UploadExamples(grpc::CallbackServerContext* context) {
  auto* call = new UploadCall(environment_, *context, manager_, uploads_);
  call->Start();
  return call;
}

grpc::ServerUnaryReactor* DatasetService::SealDataset(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return Change("SealDataset", *context, *request, *response,
                resnetd::SealDataset);
}

grpc::ServerUnaryReactor* DatasetService::GetDataset(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return Read("GetDataset", *context, *request, *response, resnetd::GetDataset);
}

grpc::ServerUnaryReactor* DatasetService::ListDatasets(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return Read("ListDatasets", *context, *request, *response,
              resnetd::ListDatasets);
}

grpc::ServerUnaryReactor* DatasetService::DeleteDataset(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return Change("DeleteDataset", *context, *request, *response,
                resnetd::DeleteDataset);
}

grpc::ServerUnaryReactor* DatasetService::ListExamples(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return Read("ListExamples", *context, *request, *response,
              resnetd::ListExamples);
}

grpc::ServerUnaryReactor* DatasetService::ListRejectedExamples(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return Read("ListRejectedExamples", *context, *request, *response,
              resnetd::ListRejectedExamples);
}

}  // namespace resnetd
