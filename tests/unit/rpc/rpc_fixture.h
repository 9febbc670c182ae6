#pragma once

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "resnetd/v1/classification_service.grpc.pb.h"
#include "resnetd/v1/dataset_service.grpc.pb.h"
#include "resnetd/v1/model_service.grpc.pb.h"
#include "resnetd/v1/server_service.grpc.pb.h"
#include "server/models/model_registry.h"
#include "server/rpc/grpc_server.h"
#include "tests/support/fake_classifier.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_dataset_manager.h"
#include "tests/support/fake_model.h"
#include "tests/support/fake_model_manager.h"
#include "tests/support/fake_telemetry.h"

namespace resnetd {

// google.rpc.Status of a failed call, as any client library decodes it.
inline google::rpc::Status RpcStatusOf(const grpc::Status& status) {
  google::rpc::Status decoded;
  EXPECT_TRUE(decoded.ParseFromString(status.error_details()));
  EXPECT_EQ(decoded.code(), static_cast<int>(status.error_code()));
  EXPECT_EQ(decoded.message(), status.error_message());
  return decoded;
}

// The detail of type T, if the error has one.
template <typename T>
std::optional<T> DetailOf(const google::rpc::Status& status) {
  T detail;
  for (const google::protobuf::Any& any : status.details()) {
    if (any.UnpackTo(&detail)) {
      return detail;
    }
  }
  return std::nullopt;
}
template <typename T>
std::optional<T> DetailOf(const grpc::Status& status) {
  return DetailOf<T>(RpcStatusOf(status));
}

// ErrorInfo.reason, checked to be of our domain.
template <typename S>
std::string ReasonOf(const S& status) {
  const auto info = DetailOf<google::rpc::ErrorInfo>(status);
  if (!info) {
    return "(no ErrorInfo)";
  }
  EXPECT_EQ(info->domain(), "resnetd");
  return info->reason();
}

template <typename S>
std::map<std::string, std::string> MetadataOf(const S& status) {
  const auto info = DetailOf<google::rpc::ErrorInfo>(status);
  return info ? std::map<std::string, std::string>(info->metadata().begin(),
                                                   info->metadata().end())
              : std::map<std::string, std::string>();
}

// Field paths and descriptions of BadRequest.
template <typename S>
std::map<std::string, std::string> ViolationsOf(const S& status) {
  std::map<std::string, std::string> found;
  if (const auto bad = DetailOf<google::rpc::BadRequest>(status)) {
    for (const auto& violation : bad->field_violations()) {
      found[violation.field()] = violation.description();
    }
  }
  return found;
}

// A real server on a free port of the loopback with a fake classifier, and a
// real channel to it.
class RpcTest : public testing::Test {
 protected:
  static GrpcServerOptions LoopbackOptions() {
    GrpcServerOptions options;
    options.host = "127.0.0.1";
    options.port = 0;
    return options;
  }

  static ServerFacts Facts() {
    return {.version = "1.2.3",
            .start_time = std::chrono::system_clock::now(),
            .limits = {{.name = "max-images-per-request", .value = 256}},
            .backends = {{.name = "engine", .usable = true, .detail = "fake"}},
            .cpu_cores = 2};
  }

  ~RpcTest() override {
    // Whatever a test holds back is answered, so that the server can end.
    classifier_.Release();
    manager_.ReleaseAll();
    datasets_.ReleaseAll();
  }

  // The clock outlives the server.
  void Listen(const GrpcServerOptions& options = LoopbackOptions(),
              const Clock& clock = RealClock()) {
    auto server = GrpcServer::Start(options, classifier_, registry_, manager_,
                                    telemetry_, Facts(), clock, training_);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    channel_ = NewChannel();
    classification_ = v1::ClassificationService::NewStub(channel_);
    models_ = v1::ModelService::NewStub(channel_);
    dataset_calls_ = v1::DatasetService::NewStub(channel_);
    server_info_ = v1::ServerService::NewStub(channel_);
    health_ = grpc::health::v1::Health::NewStub(channel_);
  }

  void ListenReady(const GrpcServerOptions& options = LoopbackOptions(),
                   const Clock& clock = RealClock()) {
    Listen(options, clock);
    server_->SetReady(true);
  }

  // One call of a unary method of ModelService, for at most 20 s.
  template <typename Request, typename Response>
  grpc::Status Call(grpc::Status (v1::ModelService::Stub::*method)(
                        grpc::ClientContext*, const Request&, Response*),
                    const Request& request, Response* response = nullptr) {
    Response ignored;
    grpc::ClientContext context;
    LimitTime(context);
    return (models_.get()->*method)(&context, request,
                                    response != nullptr ? response : &ignored);
  }

  // The same of DatasetService.
  template <typename Request, typename Response>
  grpc::Status Call(grpc::Status (v1::DatasetService::Stub::*method)(
                        grpc::ClientContext*, const Request&, Response*),
                    const Request& request, Response* response = nullptr) {
    Response ignored;
    grpc::ClientContext context;
    LimitTime(context);
    return (dataset_calls_.get()->*method)(
        &context, request, response != nullptr ? response : &ignored);
  }

  // A test that would wait for ever fails instead.
  static void LimitTime(grpc::ClientContext& context) {
    context.set_deadline(std::chrono::system_clock::now() +
                         std::chrono::seconds(20));
  }

  // Each channel has connections of its own.
  std::shared_ptr<grpc::Channel> NewChannel(
      grpc::ChannelArguments arguments = {}) const {
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    arguments.SetMaxReceiveMessageSize(-1);
    arguments.SetMaxSendMessageSize(-1);
    return grpc::CreateCustomChannel(
        absl::StrCat("ipv4:127.0.0.1:", server_->port()),
        grpc::InsecureChannelCredentials(), arguments);
  }

  // One image of `bytes` bytes.
  static v1::ClassifyRequest OneImage(std::size_t bytes = 3) {
    v1::ClassifyRequest request;
    request.add_images()->set_encoded(std::string(bytes, 'x'));
    return request;
  }

  grpc::Status Classify(const v1::ClassifyRequest& request,
                        v1::ClassifyResponse* response = nullptr) {
    grpc::ClientContext context;
    return Classify(context, request, response);
  }
  grpc::Status Classify(grpc::ClientContext& context,
                        const v1::ClassifyRequest& request,
                        v1::ClassifyResponse* response = nullptr) {
    v1::ClassifyResponse ignored;
    return classification_->Classify(&context, request,
                                     response != nullptr ? response : &ignored);
  }

  grpc::health::v1::HealthCheckResponse::ServingStatus Health(
      const std::string& name) {
    grpc::ClientContext context;
    grpc::health::v1::HealthCheckRequest request;
    request.set_service(name);
    grpc::health::v1::HealthCheckResponse response;
    const grpc::Status status = health_->Check(&context, request, &response);
    if (status.error_code() == grpc::StatusCode::NOT_FOUND) {
      return grpc::health::v1::HealthCheckResponse::SERVICE_UNKNOWN;
    }
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.status();
  }

  // For a server whose time stands still.
  FakeClock still_clock_;
  ModelRegistry registry_;
  FakeModelManager manager_;
  FakeTelemetry telemetry_;
  FakeDatasetManager datasets_;
  // What the server has for training; without jobs it does not train.
  TrainingParts training_{.datasets = &datasets_};
  FakeClassifier classifier_{FakeVersion(FakeFacts("fake"))};
  std::unique_ptr<GrpcServer> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::ClassificationService::Stub> classification_;
  std::unique_ptr<v1::ModelService::Stub> models_;
  std::unique_ptr<v1::DatasetService::Stub> dataset_calls_;
  std::unique_ptr<v1::ServerService::Stub> server_info_;
  std::unique_ptr<grpc::health::v1::Health::Stub> health_;
};

}  // namespace resnetd
