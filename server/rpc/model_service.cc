#include "server/rpc/model_service.h"

#include <cstddef>
#include <utility>

#include "server/rpc/import_call.h"
#include "server/rpc/model_changes.h"
#include "server/rpc/model_evaluations.h"
#include "server/rpc/model_reads.h"

namespace resnetd {

ModelService::ModelService(CallEnvironment& environment,
                           const ModelRegistry& registry, ModelManager& manager,
                           Evaluator* evaluator, std::size_t max_calls,
                           ModelHealth::Set health)
    : environment_(environment),
      manager_(manager),
      evaluator_(evaluator),
      health_(manager, registry, std::move(health)),
      lanes_(std::make_unique<CallLanes>(max_calls)),
      watches_(environment, manager, lanes_->transfers) {}

ModelService::~ModelService() {
  // No commit wakes anybody any more; then what was woken is run to its end.
  watches_.StopListening();
  lanes_.reset();
}

template <typename Request, typename Response>
grpc::ServerUnaryReactor* ModelService::Read(
    absl::string_view method, grpc::CallbackServerContext& context,
    const grpc::ByteBuffer& request, grpc::ByteBuffer& response,
    absl::StatusOr<Response> (*read)(ModelManager&, const Request&)) {
  auto* call = new PooledCall<Request, Response>(environment_, method, context,
                                                 response);
  call->Start(request, Availability::kAlways, lanes_->transfers,
              [this, read](const Request& message, CallRecord&) {
                return read(manager_, message);
              });
  return call;
}

template <typename Request, typename Response>
grpc::ServerUnaryReactor* ModelService::Reside(
    absl::string_view method, grpc::CallbackServerContext& context,
    const grpc::ByteBuffer& request, grpc::ByteBuffer& response,
    absl::StatusOr<Response> (*change)(ModelManager&, const Request&)) {
  auto* call = new PooledCall<Request, Response>(environment_, method, context,
                                                 response);
  call->Start(request, Availability::kWhenServing, lanes_->control,
              [this, change](const Request& message, CallRecord&) {
                absl::StatusOr<Response> answer = change(manager_, message);
                health_.Refresh();
                return answer;
              });
  return call;
}

template <typename Request, typename Response>
grpc::ServerUnaryReactor* ModelService::Change(
    absl::string_view method, grpc::CallbackServerContext& context,
    const grpc::ByteBuffer& request, grpc::ByteBuffer& response,
    absl::StatusOr<Response> (*change)(ModelManager&, const RequestLimits&,
                                       const Request&, absl::string_view)) {
  auto* call = new PooledCall<Request, Response>(environment_, method, context,
                                                 response);
  call->Start(
      request, Availability::kWhenServing, lanes_->control,
      [this, change](const Request& message, CallRecord& record) {
        record.UseRequestId(message.request_id());
        if (absl::Status owns = CheckOwnsModels(environment_.is_replica);
            !owns.ok()) {
          return absl::StatusOr<Response>(std::move(owns));
        }
        absl::StatusOr<Response> answer =
            change(manager_, environment_.limits, message, record.actor());
        // Before the answer: who asks for the health then sees it.
        health_.Refresh();
        return answer;
      });
  return call;
}

template <typename Request, typename Response>
grpc::ServerUnaryReactor* ModelService::Measure(
    absl::string_view method, grpc::CallbackServerContext& context,
    const grpc::ByteBuffer& request, grpc::ByteBuffer& response,
    absl::StatusOr<Response> (*measure)(Evaluator&, const RequestLimits&,
                                        const Request&, const Evaluator::GoOn&,
                                        absl::string_view)) {
  auto* call = new PooledCall<Request, Response>(environment_, method, context,
                                                 response);
  call->Start(request, Availability::kWhenServing, lanes_->evaluations,
              [this, measure](const Request& message,
                              CallRecord& record) -> absl::StatusOr<Response> {
                if (evaluator_ == nullptr) {
                  return NoEvaluator();
                }
                const CancelFlag& cancelled = record.cancelled();
                const CallGate& gate = environment_.gate;
                absl::StatusOr<Response> answer = measure(
                    *evaluator_, environment_.limits, message,
                    [&] {
                      return !cancelled->load() &&
                             gate.state() != ServingState::kDraining;
                    },
                    record.actor());
                if (!absl::IsCancelled(answer.status())) {
                  return answer;
                }
                return cancelled->load() ? record.Gone()
                                         : NotServing(ServingState::kDraining);
              });
  return call;
}

template <typename Request, typename Response>
grpc::ServerWriteReactor<grpc::ByteBuffer>* ModelService::Stream(
    absl::string_view method, grpc::CallbackServerContext& context,
    const grpc::ByteBuffer& request,
    absl::StatusOr<Download<Response>> (*open)(ModelManager&, const Request&)) {
  auto* call = new DownloadCall<Request, Response>(environment_, method,
                                                   context, lanes_->transfers);
  call->Start(request, [this, open](const Request& message) {
    return open(manager_, message);
  });
  return call;
}

grpc::ServerUnaryReactor* ModelService::ListModels(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return Read("ListModels", *context, *request, *response, resnetd::ListModels);
}

grpc::ServerUnaryReactor* ModelService::GetModel(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return Read("GetModel", *context, *request, *response, resnetd::GetModel);
}

grpc::ServerUnaryReactor* ModelService::ListVersions(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return Read("ListVersions", *context, *request, *response,
              resnetd::ListVersions);
}

grpc::ServerUnaryReactor* ModelService::GetVersion(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return Read("GetVersion", *context, *request, *response, resnetd::GetVersion);
}

grpc::ServerReadReactor<grpc::ByteBuffer>* ModelService::ImportVersion(
    grpc::CallbackServerContext* context, grpc::ByteBuffer* response) {
  auto* call = new ImportCall(environment_, *context, *response, manager_,
                              *lanes_, [this] { health_.Refresh(); });
  call->Start();
  return call;
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* ModelService::ExportVersion(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request) {
  return Stream("ExportVersion", *context, *request, resnetd::OpenVersion);
}

grpc::ServerUnaryReactor* ModelService::DeleteVersion(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return Change("DeleteVersion", *context, *request, *response,
                resnetd::DeleteVersion);
}

grpc::ServerUnaryReactor* ModelService::LoadVersion(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return Reside("LoadVersion", *context, *request, *response,
                resnetd::LoadVersion);
}

grpc::ServerUnaryReactor* ModelService::UnloadVersion(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return Reside("UnloadVersion", *context, *request, *response,
                resnetd::UnloadVersion);
}

grpc::ServerUnaryReactor* ModelService::WarmUpVersion(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return Reside("WarmUpVersion", *context, *request, *response,
                resnetd::WarmUpVersion);
}

grpc::ServerUnaryReactor* ModelService::SetAlias(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return Change("SetAlias", *context, *request, *response, resnetd::SetAlias);
}

grpc::ServerUnaryReactor* ModelService::RollbackAlias(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return Change("RollbackAlias", *context, *request, *response,
                resnetd::RollbackAlias);
}

grpc::ServerUnaryReactor* ModelService::DeleteAlias(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return Change("DeleteAlias", *context, *request, *response,
                resnetd::DeleteAlias);
}

grpc::ServerUnaryReactor* ModelService::PromoteVersion(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return Change("PromoteVersion", *context, *request, *response,
                resnetd::PromoteVersion);
}

grpc::ServerUnaryReactor* ModelService::EvaluateModel(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return Measure("EvaluateModel", *context, *request, *response,
                 resnetd::EvaluateModel);
}

grpc::ServerUnaryReactor* ModelService::CompareVersions(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return Measure("CompareVersions", *context, *request, *response,
                 resnetd::CompareVersions);
}

grpc::ServerUnaryReactor* ModelService::CalibrateVersion(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return Measure("CalibrateVersion", *context, *request, *response,
                 resnetd::CalibrateVersion);
}

grpc::ServerUnaryReactor* ModelService::QuantizeVersion(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return Measure("QuantizeVersion", *context, *request, *response,
                 resnetd::QuantizeVersion);
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* ModelService::WatchModels(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request) {
  return watches_.Open(*context, *request);
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* ModelService::GetBlob(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request) {
  return Stream("GetBlob", *context, *request, resnetd::OpenBlob);
}

}  // namespace resnetd
