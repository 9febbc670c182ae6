#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "google/rpc/status.pb.h"
#include "resnetd/v1/classification_service.grpc.pb.h"
#include "resnetd/v1/model_service.grpc.pb.h"
#include "resnetd/v1/server_service.grpc.pb.h"
#include "server/base/mutex.h"

namespace resnetd::test {

// A status as resnetd sends it, with ErrorInfo.
google::rpc::Status RichError(grpc::StatusCode code, const std::string& message,
                              const std::string& reason);
grpc::Status ToGrpc(const google::rpc::Status& status);

// The answers of a server with the one model "models/digits" in version 3, to
// whom every picture is a tabby cat.
void FillAnswer(const v1::ClassifyRequest& request,
                v1::ClassifyResponse& response);
v1::Model DigitsModel();
v1::Version DigitsVersion();
void FillInfo(v1::GetServerInfoResponse& info);
grpc::Status ModelNotFound(const std::string& name);

// What the fake answers; each is called once a try, from gRPC's threads.
struct FakeHooks {
  using Classify = std::function<grpc::Status(
      grpc::ServerContext&, const v1::ClassifyRequest&, v1::ClassifyResponse&)>;
  using ListModels = std::function<grpc::Status(const v1::ListModelsRequest&,
                                                v1::ListModelsResponse&)>;
  using GetModel = std::function<grpc::Status(const v1::GetModelRequest&,
                                              v1::GetModelResponse&)>;
  using GetVersion = std::function<grpc::Status(const v1::GetVersionRequest&,
                                                v1::GetVersionResponse&)>;
  using GetServerInfo = std::function<grpc::Status(v1::GetServerInfoResponse&)>;

  Classify classify;
  ListModels list_models;
  GetModel get_model;
  GetVersion get_version;
  GetServerInfo server_info;

  // Those of the server above.
  static FakeHooks Default();
};

// A gRPC server in this process on a free port, with gRPC's own health service.
// Thread-safe; hooks may be changed until the first call.
class FakeServer : private v1::ClassificationService::Service,
                   private v1::ModelService::Service,
                   private v1::ServerService::Service {
 public:
  FakeServer();
  ~FakeServer() override;

  const std::string& address() const { return address_; }
  FakeHooks& hooks() { return hooks_; }

  // Health of the whole server, or of one service.
  void SetServing(bool serving);
  void SetServing(const std::string& service, bool serving);

  // The requests that Classify has got, each try by itself.
  std::vector<v1::ClassifyRequest> classify_requests() const
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Calls of every kind but health so far, each try by itself.
  int calls() const { return calls_; }

 private:
  grpc::Status Classify(grpc::ServerContext* context,
                        const v1::ClassifyRequest* request,
                        v1::ClassifyResponse* response) override;
  grpc::Status ListModels(grpc::ServerContext* context,
                          const v1::ListModelsRequest* request,
                          v1::ListModelsResponse* response) override;
  grpc::Status GetModel(grpc::ServerContext* context,
                        const v1::GetModelRequest* request,
                        v1::GetModelResponse* response) override;
  grpc::Status GetVersion(grpc::ServerContext* context,
                          const v1::GetVersionRequest* request,
                          v1::GetVersionResponse* response) override;
  grpc::Status GetServerInfo(grpc::ServerContext* context,
                             const v1::GetServerInfoRequest* request,
                             v1::GetServerInfoResponse* response) override;

  std::unique_ptr<grpc::Server> server_;
  std::string address_;
  FakeHooks hooks_ = FakeHooks::Default();
  std::atomic<int> calls_ = 0;  // A counter.
  mutable Mutex mutex_;
  std::vector<v1::ClassifyRequest> classify_requests_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace resnetd::test
