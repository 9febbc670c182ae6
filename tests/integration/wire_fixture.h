#pragma once

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <utility>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "resnetd/v1/classification_service.grpc.pb.h"
#include "resnetd/v1/model_service.grpc.pb.h"
#include "resnetd/v1/server_service.grpc.pb.h"
#include "server/app/config.h"
#include "server/app/server.h"
#include "server/engine/kernel_selftest.h"

namespace resnetd {

// What a failed call says, decoded.
struct WireError {
  grpc::StatusCode code = grpc::StatusCode::OK;
  std::string message;
  std::string reason;
  std::map<std::string, std::string> metadata;
  // field -> description
  std::map<std::string, std::string> violations;
};

inline void AddDetails(const google::rpc::Status& status, WireError& error) {
  for (const google::protobuf::Any& any : status.details()) {
    if (google::rpc::ErrorInfo info; any.UnpackTo(&info)) {
      error.reason = info.reason();
      EXPECT_EQ(info.domain(), "resnetd");
      error.metadata.insert(info.metadata().begin(), info.metadata().end());
    }
    if (google::rpc::BadRequest bad; any.UnpackTo(&bad)) {
      for (const auto& violation : bad.field_violations()) {
        error.violations[violation.field()] = violation.description();
      }
    }
  }
}

inline WireError Decode(const grpc::Status& status) {
  WireError error{.code = status.error_code(),
                  .message = status.error_message()};
  if (google::rpc::Status details;
      details.ParseFromString(status.error_details())) {
    AddDetails(details, error);
  }
  return error;
}

// The error of one image in an answer.
inline WireError Decode(const google::rpc::Status& status) {
  WireError error{.code = static_cast<grpc::StatusCode>(status.code()),
                  .message = status.message()};
  AddDetails(status, error);
  return error;
}

inline std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

// The whole server in this process, on free ports, with the demo model, and a
// channel to it.
class WireTest : public testing::Test {
 protected:
  static Config TestConfig() {
    Config config;
    config.listen = "127.0.0.1:0";
    config.http_listen = "127.0.0.1:0";
    config.models = {RESNETD_SOURCE_DIR "/models/digits"};
    config.log_level = "error";
    return config;
  }

  void StartServer(const Config& config = TestConfig()) {
    ConfigureLog(LogOptionsOf(config));
    absl::StatusOr<std::unique_ptr<Server>> server =
        Server::Start(config, KernelSelftest{}, [] {});
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    grpc::ChannelArguments arguments;
    arguments.SetMaxSendMessageSize(-1);
    arguments.SetMaxReceiveMessageSize(-1);
    const auto channel = grpc::CreateCustomChannel(
        "127.0.0.1:" + std::to_string(server_->grpc_port()),
        grpc::InsecureChannelCredentials(), arguments);
    classification_ = v1::ClassificationService::NewStub(channel);
    models_ = v1::ModelService::NewStub(channel);
    info_ = v1::ServerService::NewStub(channel);
    channel_ = channel;
  }

  grpc::Status Classify(const v1::ClassifyRequest& request,
                        v1::ClassifyResponse& response) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() +
                         std::chrono::seconds(60));
    return classification_->Classify(&context, request, &response);
  }

  // The error of a call that must fail.
  WireError ClassifyError(const v1::ClassifyRequest& request) {
    v1::ClassifyResponse response;
    const grpc::Status status = Classify(request, response);
    EXPECT_FALSE(status.ok());
    return Decode(status);
  }

  // After every kind of bad input: the server still answers.
  void ExpectStillServing() {
    v1::ClassifyRequest request;
    request.add_images()->set_encoded(DemoPicture());
    v1::ClassifyResponse response;
    const grpc::Status status = Classify(request, response);
    EXPECT_TRUE(status.ok()) << status.error_message();
  }

  static std::string DemoPicture() {
    return ReadFile(RESNETD_SOURCE_DIR "/demo/digit-3.png");
  }

  std::unique_ptr<Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::ClassificationService::Stub> classification_;
  std::unique_ptr<v1::ModelService::Stub> models_;
  std::unique_ptr<v1::ServerService::Stub> info_;
};

}  // namespace resnetd
