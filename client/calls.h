#pragma once

#include <chrono>
#include <memory>

#include "absl/status/status.h"
#include "client/client.h"
#include "client/connection.h"
#include "client/target.h"
#include "resnetd/v1/classification_service.grpc.pb.h"
#include "resnetd/v1/model_service.grpc.pb.h"
#include "resnetd/v1/server_service.grpc.pb.h"

namespace resnetd::client {

// The channels of a Client with the stubs on them. Thread-safe.
class Client::Calls {
 public:
  Calls(Target target, const ClientOptions& options);

  // Makes a call to `models` within `timeout`, e.g.
  //   Ask(short_timeout, &v1::ModelService::Stub::GetModel, request, response)
  template <typename Method, typename Request, typename Response>
  absl::Status Ask(std::chrono::nanoseconds timeout, Method method,
                   const Request& request, Response& response) const {
    return connection.Call(
        {.timeout = timeout}, [&](grpc::ClientContext& context) {
          return (models.get()->*method)(&context, request, &response);
        });
  }

  const std::chrono::nanoseconds short_timeout;
  const std::chrono::nanoseconds long_timeout;
  const Connection connection;
  const std::unique_ptr<v1::ClassificationService::Stub> classification;
  const std::unique_ptr<v1::ModelService::Stub> models;
  const std::unique_ptr<v1::ServerService::Stub> server;
};

}  // namespace resnetd::client
