#pragma once

#include <chrono>
#include <memory>
#include <type_traits>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "client/client.h"
#include "client/connection.h"
#include "client/error_info.h"
#include "client/retry_policy.h"
#include "client/target.h"
#include "resnetd/v1/classification_service.grpc.pb.h"
#include "resnetd/v1/dataset_service.grpc.pb.h"
#include "resnetd/v1/fine_tune_service.grpc.pb.h"
#include "resnetd/v1/gradient_lab_service.grpc.pb.h"
#include "resnetd/v1/model_service.grpc.pb.h"
#include "resnetd/v1/server_service.grpc.pb.h"
#include "server/base/status_macros.h"

namespace resnetd::client {

// Whether the call with this request may be tried again. Every method has a
// request of its own, named like it.
template <typename Request>
bool MayRepeatAsIs(const Request& request) {
  bool has_request_id = false;
  if constexpr (requires { request.request_id(); }) {
    has_request_id = !request.request_id().empty();
  }
  return MayRepeat(absl::StripSuffix(Request::descriptor()->name(), "Request"),
                   has_request_id);
}

// The channels of a Client with the stubs on them. Thread-safe.
class Client::Calls {
 public:
  Calls(Target target, ChannelSecurity security, const ClientOptions& options);

  // Makes a unary call to a service within `timeout`, e.g.
  //   Ask(short_timeout, &v1::ModelService::Stub::GetModel, request, response)
  template <typename Stub, typename Request, typename Response>
  absl::Status Ask(std::chrono::nanoseconds timeout,
                   grpc::Status (Stub::*method)(grpc::ClientContext*,
                                                const Request&, Response*),
                   const Request& request, Response& response) const {
    return connection.Call(
        {.timeout = timeout, .repeats = MayRepeatAsIs(request)},
        [&](grpc::ClientContext& context) {
          return (Of<Stub>().*method)(&context, request, &response);
        });
  }

  // Asks for one page of `what` after the other and hands each to `take`.
  template <typename Stub, typename Request, typename Response, typename Take>
  absl::Status EachPage(grpc::Status (Stub::*method)(grpc::ClientContext*,
                                                     const Request&, Response*),
                        Request request, absl::string_view what,
                        const Take& take) const {
    while (true) {
      Response response;
      RETURN_IF_ERROR(Ask(short_timeout, method, request, response));
      take(response);
      if (response.next_page_token().empty()) {
        return absl::OkStatus();
      }
      // The same page again would be an endless loop.
      if (response.next_page_token() == request.page_token()) {
        return ClientError(
            absl::StatusCode::kInternal, kReasonBadAnswer,
            absl::StrCat("the server sent the same page of ", what, " twice"));
      }
      request.set_page_token(response.next_page_token());
    }
  }

  const std::chrono::nanoseconds short_timeout;
  const std::chrono::nanoseconds long_timeout;
  const Connection connection;
  const std::unique_ptr<v1::ClassificationService::Stub> classification;
  const std::unique_ptr<v1::ModelService::Stub> models;
  const std::unique_ptr<v1::DatasetService::Stub> datasets;
  const std::unique_ptr<v1::FineTuneService::Stub> jobs;
  const std::unique_ptr<v1::GradientLabService::Stub> labs;
  const std::unique_ptr<v1::ServerService::Stub> server;

 private:
  template <typename Stub>
  Stub& Of() const {
    if constexpr (std::is_same_v<Stub, v1::DatasetService::Stub>) {
      return *datasets;
    } else if constexpr (std::is_same_v<Stub, v1::FineTuneService::Stub>) {
      return *jobs;
    } else {
      static_assert(std::is_same_v<Stub, v1::ModelService::Stub>);
      return *models;
    }
  }
};

}  // namespace resnetd::client
