#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "resnetd/v1/model_service.grpc.pb.h"
#include "server/finetune/evaluator.h"
#include "server/models/model_manager.h"
#include "server/rpc/call_lanes.h"
#include "server/rpc/download_call.h"
#include "server/rpc/model_health.h"
#include "server/rpc/model_watches.h"
#include "server/rpc/unary_call.h"

namespace resnetd {

// The generated service with methods that take the bytes of their messages
// themselves, so that a call can be refused before they are parsed.
namespace raw {

using Generated = v1::ModelService;

template <typename Service>
using Lists = Generated::WithRawCallbackMethod_ListModels<
    Generated::WithRawCallbackMethod_GetModel<
        Generated::WithRawCallbackMethod_ListVersions<
            Generated::WithRawCallbackMethod_GetVersion<Service>>>>;

template <typename Service>
using Streams = Generated::WithRawCallbackMethod_ImportVersion<
    Generated::WithRawCallbackMethod_ExportVersion<
        Generated::WithRawCallbackMethod_WatchModels<
            Generated::WithRawCallbackMethod_GetBlob<Service>>>>;

template <typename Service>
using Versions = Generated::WithRawCallbackMethod_DeleteVersion<
    Generated::WithRawCallbackMethod_LoadVersion<
        Generated::WithRawCallbackMethod_UnloadVersion<
            Generated::WithRawCallbackMethod_WarmUpVersion<Service>>>>;

template <typename Service>
using Aliases = Generated::WithRawCallbackMethod_SetAlias<
    Generated::WithRawCallbackMethod_RollbackAlias<
        Generated::WithRawCallbackMethod_DeleteAlias<
            Generated::WithRawCallbackMethod_PromoteVersion<Service>>>>;

template <typename Service>
using Evaluations = Generated::WithRawCallbackMethod_EvaluateModel<
    Generated::WithRawCallbackMethod_CompareVersions<
        Generated::WithRawCallbackMethod_CalibrateVersion<
            Generated::WithRawCallbackMethod_QuantizeVersion<Service>>>>;

using ModelService =
    Lists<Streams<Versions<Aliases<Evaluations<Generated::Service>>>>>;

}  // namespace raw

// resnetd.v1.ModelService over a ModelManager. No call waits in gRPC's threads:
// see CallLanes. Thread-safe.
class ModelService final : public raw::ModelService {
 public:
  // Everything belongs to the caller and outlives the service; `health` is told
  // which models answer. `evaluator` may be null: calls that need it answer
  // FAILED_PRECONDITION (BACKEND_UNAVAILABLE).
  ModelService(CallEnvironment& environment, const ModelRegistry& registry,
               ModelManager& manager, Evaluator* evaluator,
               std::size_t max_calls, ModelHealth::Set health);
  // No call is open any more.
  ~ModelService() override;

  // Looks again which models answer.
  void RefreshHealth() { health_.Refresh(); }
  // Ends every WatchModels with UNAVAILABLE (DRAINING).
  void EndWatches() { watches_.Drain(); }
  // Has every WatchModels look whether it may go on.
  void WakeWatches() { watches_.Wake(); }

  grpc::ServerUnaryReactor* ListModels(grpc::CallbackServerContext* context,
                                       const grpc::ByteBuffer* request,
                                       grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* GetModel(grpc::CallbackServerContext* context,
                                     const grpc::ByteBuffer* request,
                                     grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* ListVersions(grpc::CallbackServerContext* context,
                                         const grpc::ByteBuffer* request,
                                         grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* GetVersion(grpc::CallbackServerContext* context,
                                       const grpc::ByteBuffer* request,
                                       grpc::ByteBuffer* response) override;
  grpc::ServerReadReactor<grpc::ByteBuffer>* ImportVersion(
      grpc::CallbackServerContext* context,
      grpc::ByteBuffer* response) override;
  grpc::ServerWriteReactor<grpc::ByteBuffer>* ExportVersion(
      grpc::CallbackServerContext* context,
      const grpc::ByteBuffer* request) override;
  grpc::ServerUnaryReactor* DeleteVersion(grpc::CallbackServerContext* context,
                                          const grpc::ByteBuffer* request,
                                          grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* LoadVersion(grpc::CallbackServerContext* context,
                                        const grpc::ByteBuffer* request,
                                        grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* UnloadVersion(grpc::CallbackServerContext* context,
                                          const grpc::ByteBuffer* request,
                                          grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* WarmUpVersion(grpc::CallbackServerContext* context,
                                          const grpc::ByteBuffer* request,
                                          grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* SetAlias(grpc::CallbackServerContext* context,
                                     const grpc::ByteBuffer* request,
                                     grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* RollbackAlias(grpc::CallbackServerContext* context,
                                          const grpc::ByteBuffer* request,
                                          grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* DeleteAlias(grpc::CallbackServerContext* context,
                                        const grpc::ByteBuffer* request,
                                        grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* PromoteVersion(grpc::CallbackServerContext* context,
                                           const grpc::ByteBuffer* request,
                                           grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* EvaluateModel(grpc::CallbackServerContext* context,
                                          const grpc::ByteBuffer* request,
                                          grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* CompareVersions(
      grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
      grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* CalibrateVersion(
      grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
      grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* QuantizeVersion(
      grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
      grpc::ByteBuffer* response) override;
  grpc::ServerWriteReactor<grpc::ByteBuffer>* WatchModels(
      grpc::CallbackServerContext* context,
      const grpc::ByteBuffer* request) override;
  grpc::ServerWriteReactor<grpc::ByteBuffer>* GetBlob(
      grpc::CallbackServerContext* context,
      const grpc::ByteBuffer* request) override;

 private:
  // A call that only reads: answered at any time, in the lane of transfers.
  template <typename Request, typename Response>
  grpc::ServerUnaryReactor* Read(
      absl::string_view method, grpc::CallbackServerContext& context,
      const grpc::ByteBuffer& request, grpc::ByteBuffer& response,
      absl::StatusOr<Response> (*read)(ModelManager&, const Request&));
  // A call that changes what this server does with a version.
  template <typename Request, typename Response>
  grpc::ServerUnaryReactor* Reside(
      absl::string_view method, grpc::CallbackServerContext& context,
      const grpc::ByteBuffer& request, grpc::ByteBuffer& response,
      absl::StatusOr<Response> (*change)(ModelManager&, const Request&));
  // A call that changes the store.
  template <typename Request, typename Response>
  grpc::ServerUnaryReactor* Change(
      absl::string_view method, grpc::CallbackServerContext& context,
      const grpc::ByteBuffer& request, grpc::ByteBuffer& response,
      absl::StatusOr<Response> (*change)(ModelManager&, const RequestLimits&,
                                         const Request&, absl::string_view));
  // A call that takes pictures through networks, until its caller goes away or
  // the server drains.
  template <typename Request, typename Response>
  grpc::ServerUnaryReactor* Measure(
      absl::string_view method, grpc::CallbackServerContext& context,
      const grpc::ByteBuffer& request, grpc::ByteBuffer& response,
      absl::StatusOr<Response> (*measure)(Evaluator&, const RequestLimits&,
                                          const Request&,
                                          const Evaluator::GoOn&,
                                          absl::string_view));
  // A call that streams a blob.
  template <typename Request, typename Response>
  grpc::ServerWriteReactor<grpc::ByteBuffer>* Stream(
      absl::string_view method, grpc::CallbackServerContext& context,
      const grpc::ByteBuffer& request,
      absl::StatusOr<Download<Response>> (*open)(ModelManager&,
                                                 const Request&));

  CallEnvironment& environment_;
  ModelManager& manager_;
  Evaluator* const evaluator_;
  ModelHealth health_;
  // Ends before the watches: its tasks wake them.
  std::unique_ptr<CallLanes> lanes_;
  ModelWatches watches_;
};

}  // namespace resnetd
