#include "server/rpc/server_service.h"

#include <algorithm>
#include <chrono>

#include "server/rpc/proto_time.h"

namespace resnetd {
namespace {

v1::GetServerInfoResponse ToMessage(const ServerFacts& facts) {
  v1::GetServerInfoResponse message;
  message.set_version(facts.version);
  message.set_grpc_version(grpc::Version());
  *message.mutable_start_time() = ToProto(facts.start_time);
  for (const ServerFacts::Limit& limit : facts.limits) {
    v1::Limit& out = *message.add_limits();
    out.set_name(limit.name);
    out.set_value(limit.value);
  }
  for (const ServerFacts::Backend& backend : facts.backends) {
    v1::Backend& out = *message.add_backends();
    out.set_name(backend.name);
    out.set_usable(backend.usable);
    out.set_detail(backend.detail);
  }
  message.set_cpu_cores(facts.cpu_cores);
  return message;
}

}  // namespace

ServerService::ServerService(CallEnvironment& environment,
                             const ServerFacts& facts)
    : environment_(environment),
      fixed_(ToMessage(facts)),
      uptime_when_made_(
          std::max(Duration::zero(),
                   std::chrono::duration_cast<Duration>(
                       std::chrono::system_clock::now() - facts.start_time))),
      made_at_(environment.clock.Now()) {}

grpc::ServerUnaryReactor* ServerService::GetServerInfo(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return AnswerNow<v1::GetServerInfoRequest, v1::GetServerInfoResponse>(
      environment_, "GetServerInfo", *context, *request, *response,
      Availability::kAlways,
      [this](const v1::GetServerInfoRequest&) { return Describe(); });
}

v1::GetServerInfoResponse ServerService::Describe() const {
  v1::GetServerInfoResponse message = fixed_;
  *message.mutable_uptime() =
      ToProto(uptime_when_made_ + (environment_.clock.Now() - made_at_));
  message.set_ready(environment_.gate.state() == ServingState::kServing);
  return message;
}

}  // namespace resnetd
