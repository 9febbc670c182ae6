#include "client/client.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/connection.h"
#include "client/convert.h"
#include "client/target.h"
#include "resnetd/v1/classification_service.grpc.pb.h"
#include "resnetd/v1/model_service.grpc.pb.h"
#include "resnetd/v1/server_service.grpc.pb.h"
#include "server/base/status_macros.h"

namespace resnetd::client {
namespace {

using Route = Connection::Route;

std::string ModelResource(absl::string_view name) {
  return absl::StartsWith(name, "models/") ? std::string(name)
                                           : absl::StrCat("models/", name);
}

}  // namespace

absl::string_view ResidencyName(Residency residency) {
  switch (residency) {
    case Residency::kUnknown:
      break;
    case Residency::kUnloaded:
      return "UNLOADED";
    case Residency::kLoading:
      return "LOADING";
    case Residency::kWarming:
      return "WARMING";
    case Residency::kReady:
      return "READY";
    case Residency::kDraining:
      return "DRAINING";
    case Residency::kFailed:
      return "FAILED";
  }
  return "UNKNOWN";
}

absl::string_view ServingName(Serving serving) {
  switch (serving) {
    case Serving::kServing:
      return "SERVING";
    case Serving::kNotServing:
      return "NOT_SERVING";
    case Serving::kUnknown:
      break;
  }
  return "UNKNOWN";
}

// The channels with the stubs on them.
class Client::Calls {
 public:
  Calls(Target target, std::chrono::nanoseconds timeout)
      : connection(std::move(target), timeout),
        classification(v1::ClassificationService::NewStub(
            connection.channel(Route::kHealthy))),
        models(v1::ModelService::NewStub(connection.channel(Route::kAny))),
        server(v1::ServerService::NewStub(connection.channel(Route::kAny))) {}

  const Connection connection;
  const std::unique_ptr<v1::ClassificationService::Stub> classification;
  const std::unique_ptr<v1::ModelService::Stub> models;
  const std::unique_ptr<v1::ServerService::Stub> server;
};

Client::Client(std::unique_ptr<Calls> calls) : calls_(std::move(calls)) {}
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;
Client::~Client() = default;

absl::StatusOr<Client> Client::Create(const ClientOptions& options) {
  ASSIGN_OR_RETURN(Target target, ParseTarget(options.server));
  return Client(std::make_unique<Calls>(std::move(target), options.timeout));
}

absl::StatusOr<ClassifyAnswer> Client::Classify(ClassifyRequest request) {
  const std::size_t images = request.images.size();
  const v1::ClassifyRequest message = ToProto(std::move(request));
  v1::ClassifyResponse response;
  RETURN_IF_ERROR(calls_->connection.Call(
      Route::kHealthy, [&](grpc::ClientContext& context) {
        return calls_->classification->Classify(&context, message, &response);
      }));
  return FromProto(std::move(response), images);
}

absl::StatusOr<std::vector<Model>> Client::ListModels() {
  std::vector<Model> models;
  v1::ListModelsRequest request;
  while (true) {
    v1::ListModelsResponse response;
    RETURN_IF_ERROR(
        calls_->connection.Call(Route::kAny, [&](grpc::ClientContext& context) {
          return calls_->models->ListModels(&context, request, &response);
        }));
    for (const v1::Model& model : response.models()) {
      models.push_back(FromProto(model));
    }
    if (response.next_page_token().empty()) {
      return models;
    }
    // The same page again would be an endless loop.
    if (response.next_page_token() == request.page_token()) {
      return ClientError(absl::StatusCode::kInternal, kReasonBadAnswer,
                         "the server sent the same page of models twice");
    }
    request.set_page_token(response.next_page_token());
  }
}

absl::StatusOr<Model> Client::GetModel(absl::string_view name) {
  v1::GetModelRequest request;
  request.set_name(ModelResource(name));
  v1::GetModelResponse response;
  RETURN_IF_ERROR(
      calls_->connection.Call(Route::kAny, [&](grpc::ClientContext& context) {
        return calls_->models->GetModel(&context, request, &response);
      }));
  return FromProto(response.model());
}

absl::StatusOr<Version> Client::GetVersion(absl::string_view name) {
  v1::GetVersionRequest request;
  request.set_name(ModelResource(name));
  v1::GetVersionResponse response;
  RETURN_IF_ERROR(
      calls_->connection.Call(Route::kAny, [&](grpc::ClientContext& context) {
        return calls_->models->GetVersion(&context, request, &response);
      }));
  return FromProto(response.version());
}

absl::StatusOr<ServerInfo> Client::GetServerInfo() {
  v1::GetServerInfoResponse response;
  RETURN_IF_ERROR(
      calls_->connection.Call(Route::kAny, [&](grpc::ClientContext& context) {
        return calls_->server->GetServerInfo(&context, {}, &response);
      }));
  return FromProto(response);
}

absl::StatusOr<Serving> Client::Health(absl::string_view service) {
  const Connection& connection = calls_->connection;
  int serving_status = 0;
  RETURN_IF_ERROR(
      connection.Call(Route::kAny, [&](grpc::ClientContext& context) {
        return CheckHealth(connection.channel(Route::kAny), service, context,
                           serving_status);
      }));
  switch (serving_status) {
    case 1:
      return Serving::kServing;
    case 2:
      return Serving::kNotServing;
    default:
      return Serving::kUnknown;
  }
}

}  // namespace resnetd::client
