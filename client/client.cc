#include "client/client.h"

#include <utility>

#include "client/calls.h"
#include "client/convert.h"
#include "server/base/status_macros.h"

namespace resnetd::client {
namespace {

using Route = Connection::Route;

}  // namespace

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

Client::Calls::Calls(Target target, ChannelSecurity security,
                     const ClientOptions& options)
    : short_timeout(options.timeout),
      long_timeout(options.long_timeout),
      connection(std::move(target),
                 {.health = options.health,
                  .retries = {.most_tries = options.most_tries},
                  .retry_share = options.retry_share,
                  .security = std::move(security)}),
      classification(v1::ClassificationService::NewStub(
          connection.channel(Route::kHealthy))),
      models(v1::ModelService::NewStub(connection.channel(Route::kAny))),
      datasets(v1::DatasetService::NewStub(connection.channel(Route::kAny))),
      jobs(v1::FineTuneService::NewStub(connection.channel(Route::kAny))),
      labs(v1::GradientLabService::NewStub(connection.channel(Route::kAny))),
      server(v1::ServerService::NewStub(connection.channel(Route::kAny))) {}

Client::Client(std::unique_ptr<Calls> calls) : calls_(std::move(calls)) {}
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;
Client::~Client() = default;

absl::StatusOr<Client> Client::Create(const ClientOptions& options) {
  ASSIGN_OR_RETURN(Target target, ResolveTarget(options.server));
  ASSIGN_OR_RETURN(ChannelSecurity security,
                   MakeSecurity(options.security, target));
  return Client(
      std::make_unique<Calls>(std::move(target), std::move(security), options));
}

absl::StatusOr<ClassifyAnswer> Client::Classify(ClassifyRequest request) {
  const std::size_t images = request.images.size();
  const v1::ClassifyRequest message = ToProto(std::move(request));
  v1::ClassifyResponse response;
  RETURN_IF_ERROR(calls_->connection.Call(
      {.route = Route::kHealthy,
       .timeout = calls_->short_timeout,
       .repeats = MayRepeatAsIs(message)},
      [&](grpc::ClientContext& context) {
        return calls_->classification->Classify(&context, message, &response);
      }));
  return FromProto(std::move(response), images);
}

CallCounts Client::counts() const { return calls_->connection.counts(); }

absl::StatusOr<ServerInfo> Client::GetServerInfo() {
  const v1::GetServerInfoRequest request;
  v1::GetServerInfoResponse response;
  RETURN_IF_ERROR(calls_->connection.Call(
      {.timeout = calls_->short_timeout, .repeats = MayRepeatAsIs(request)},
      [&](grpc::ClientContext& context) {
        return calls_->server->GetServerInfo(&context, request, &response);
      }));
  return FromProto(response);
}

absl::StatusOr<Serving> Client::Health(absl::string_view service) {
  const Connection& connection = calls_->connection;
  int serving_status = 0;
  RETURN_IF_ERROR(connection.Call(
      {.timeout = calls_->short_timeout, .repeats = MayRepeat("Check", false)},
      [&](grpc::ClientContext& context) {
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
