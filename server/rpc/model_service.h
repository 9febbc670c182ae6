#pragma once

#include <grpcpp/grpcpp.h>

#include "resnetd/v1/model_service.grpc.pb.h"
#include "server/models/model_registry.h"
#include "server/rpc/unary_call.h"

namespace resnetd {

// resnetd.v1.ModelService over the registry. Also answers while the server
// starts and drains. Thread-safe.
class ModelService final
    : public v1::ModelService::WithRawCallbackMethod_ListModels<
          v1::ModelService::WithRawCallbackMethod_GetModel<
              v1::ModelService::WithRawCallbackMethod_ListVersions<
                  v1::ModelService::WithRawCallbackMethod_GetVersion<
                      v1::ModelService::Service>>>> {
 public:
  // Both belong to the caller and outlive the service.
  ModelService(CallEnvironment& environment, const ModelRegistry& registry)
      : environment_(environment), registry_(registry) {}

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

 private:
  CallEnvironment& environment_;
  const ModelRegistry& registry_;
};

}  // namespace resnetd
