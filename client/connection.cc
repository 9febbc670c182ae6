#include "client/connection.h"

#include <google/protobuf/wrappers.pb.h>
#include <grpc/support/log.h>
#include <grpcpp/alarm.h>
#include <grpcpp/generic/generic_stub.h>

#include <cstdint>
#include <future>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/substitute.h"
#include "absl/time/time.h"
#include "client/convert.h"
#include "client/error_info.h"
// For gRPC's serialisation of messages, whose header moves between releases.
#include "resnetd/v1/server_service.grpc.pb.h"
#include "server/base/version.h"

namespace resnetd::client {
namespace {

using std::chrono::nanoseconds;
using std::chrono::steady_clock;

// Tries of one call, the first included: the most that gRPC allows is 5.
constexpr int kMaxTries = 4;
constexpr std::chrono::milliseconds kFirstPause(50);
// Time to ask an unhealthy or unreachable server what is the matter.
constexpr std::chrono::seconds kDiagnosisTimeout(1);

grpc::ChannelArguments Arguments(const Target& target, bool health_checked) {
  grpc::ChannelArguments arguments;
  arguments.SetServiceConfigJSON(ServiceConfig(health_checked));
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  arguments.SetMaxSendMessageSize(kMaxMessageBytes);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  // gRPC keeps what it may have to send again, by default 256 KiB: without
  // this no picture that is larger would ever be sent again.
  arguments.SetInt(GRPC_ARG_PER_RPC_RETRY_BUFFER_SIZE, kMaxMessageBytes);
  if (target.local) {
    // A proxy of the environment cannot reach this machine's own ports.
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  }
  arguments.SetUserAgentPrefix(absl::StrCat("resnetd-client/", kVersion));
  return arguments;
}

std::shared_ptr<grpc::Channel> MakeChannel(const Target& target,
                                           bool health_checked) {
  return grpc::CreateCustomChannel(target.grpc,
                                   grpc::InsecureChannelCredentials(),
                                   Arguments(target, health_checked));
}

// The pause that the server asks for before the next try. Absent: it asks for
// none, or never.
std::optional<nanoseconds> Pushback(const grpc::ClientContext& context) {
  const auto& trailers = context.GetServerTrailingMetadata();
  const auto found = trailers.find("grpc-retry-pushback-ms");
  std::int64_t milliseconds = 0;
  if (found == trailers.end() ||
      !absl::SimpleAtoi(
          absl::string_view(found->second.data(), found->second.size()),
          &milliseconds) ||
      milliseconds < 0) {
    return std::nullopt;
  }
  return std::chrono::milliseconds(milliseconds);
}

std::chrono::system_clock::time_point ToSystem(nanoseconds from_now) {
  return std::chrono::system_clock::now() +
         std::chrono::duration_cast<std::chrono::system_clock::duration>(
             from_now);
}

// The pause before the next try; absent: there is none.
std::optional<nanoseconds> PauseBefore(const Connection::Manner& manner,
                                       const grpc::Status& status,
                                       const grpc::ClientContext& context,
                                       int tries) {
  if (tries >= kMaxTries || (manner.may_repeat && !manner.may_repeat())) {
    return std::nullopt;
  }
  const std::optional<nanoseconds> pushback = Pushback(context);
  if (status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED) {
    return pushback;
  }
  if (manner.repeats_here &&
      (status.error_code() == grpc::StatusCode::UNAVAILABLE ||
       status.error_code() == grpc::StatusCode::CANCELLED)) {
    // 50, 100, 200 ms, as gRPC does it.
    return pushback.value_or(kFirstPause * (1 << (tries - 1)));
  }
  return std::nullopt;
}

void IgnoreLog(gpr_log_func_args* /*args*/) {}

}  // namespace

std::string ServiceConfig(bool health_checked) {
  return absl::Substitute(
      R"({
  "loadBalancingConfig": [{"round_robin": {}}],$0
  "retryThrottling": {"maxTokens": 100, "tokenRatio": 0.1},
  "methodConfig": [{
    "name": [
      {"service": "resnetd.v1.ClassificationService", "method": "Classify"},
      {"service": "resnetd.v1.ModelService"},
      {"service": "resnetd.v1.DatasetService"},
      {"service": "resnetd.v1.FineTuneService"},
      {"service": "resnetd.v1.ServerService"},
      {"service": "grpc.health.v1.Health", "method": "Check"}
    ],
    "retryPolicy": {
      "maxAttempts": $1,
      "initialBackoff": "0.05s",
      "maxBackoff": "1s",
      "backoffMultiplier": 2,
      "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"]
    }
  }, {
    "name": [
      {"service": "resnetd.v1.ModelService", "method": "ImportVersion"},
      {"service": "resnetd.v1.ModelService", "method": "WatchModels"},
      {"service": "resnetd.v1.DatasetService", "method": "UploadExamples"},
      {"service": "resnetd.v1.FineTuneService", "method": "WatchFineTuneJob"}
    ]
  }]
})",
      health_checked ? R"(
  "healthCheckConfig": {"serviceName": ""},)"
                     : "",
      kMaxTries);
}

Connection::Connection(Target target, nanoseconds timeout)
    : target_(std::move(target)),
      timeout_(timeout),
      healthy_(MakeChannel(target_, true)),
      any_(MakeChannel(target_, false)) {}

absl::Status Connection::Call(Route route, const Try& attempt) const {
  return Call({.route = route, .timeout = timeout_}, attempt);
}

absl::Status Connection::Call(const Manner& manner, const Try& attempt) const {
  const steady_clock::time_point deadline =
      steady_clock::now() + manner.timeout;
  for (int tries = 1;; ++tries) {
    grpc::ClientContext context;
    context.set_deadline(ToSystem(deadline - steady_clock::now()));
    const grpc::Status status = attempt(context);
    if (status.ok()) {
      return absl::OkStatus();
    }
    const auto pause = PauseBefore(manner, status, context, tries);
    if (!pause || steady_clock::now() + *pause >= deadline) {
      return ExplainUnreachable(manner, status);
    }
    Pause(*pause);
  }
}

absl::Status Connection::ExplainUnreachable(const Manner& manner,
                                            const grpc::Status& status) const {
  const Route route = manner.route;
  absl::Status error = FromGrpc(status);
  const bool answered = !status.error_details().empty();
  const bool unavailable = absl::IsUnavailable(error);
  if (answered || (!unavailable && !absl::IsDeadlineExceeded(error))) {
    return error;
  }
  // gRPC made this status itself. The state of the channels and the health
  // service tell what is behind it; its own text is not stable.
  if (route == Route::kHealthy &&
      healthy_->GetState(false) != GRPC_CHANNEL_READY) {
    grpc::ClientContext context;
    context.set_deadline(ToSystem(kDiagnosisTimeout));
    int serving_status = 0;
    if (CheckHealth(any_, "", context, serving_status).ok() &&
        serving_status != 1) {
      return ClientError(
          absl::StatusCode::kUnavailable, kReasonNotServing,
          absl::StrCat("server ", target_.shown,
                       " takes no calls now: it is starting or shutting down"));
    }
  }
  const std::string within =
      unavailable ? ""
                  : absl::StrCat(
                        " within ",
                        absl::FormatDuration(absl::FromChrono(manner.timeout)));
  if (channel(route)->GetState(false) != GRPC_CHANNEL_READY) {
    return ClientError(
        absl::StatusCode::kUnavailable, kReasonNoConnection,
        absl::StrCat(unavailable ? "no server at " : "no connection to ",
                     target_.shown, within));
  }
  return unavailable
             ? error
             : ClientError(
                   absl::StatusCode::kDeadlineExceeded, kReasonNoAnswer,
                   absl::StrCat("no answer from ", target_.shown, within));
}

grpc::Status CheckHealth(const std::shared_ptr<grpc::Channel>& channel,
                         absl::string_view service,
                         grpc::ClientContext& context, int& serving_status) {
  // Two wrappers have the wire form of grpc.health.v1.HealthCheckRequest
  // (string service = 1) and HealthCheckResponse (enum status = 1), whose own
  // protos no distribution package carries compiled.
  google::protobuf::StringValue request;
  request.set_value(service.data(), service.size());
  google::protobuf::Int32Value response;
  grpc::TemplatedGenericStub<google::protobuf::StringValue,
                             google::protobuf::Int32Value>
      stub(channel);
  std::promise<grpc::Status> answered;
  stub.UnaryCall(&context, "/grpc.health.v1.Health/Check", grpc::StubOptions(),
                 &request, &response, [&answered](grpc::Status status) {
                   answered.set_value(std::move(status));
                 });
  grpc::Status status = answered.get_future().get();
  serving_status = response.value();
  return status;
}

void Pause(nanoseconds pause, const std::stop_token& stop) {
  grpc::CompletionQueue queue;
  grpc::Alarm alarm;
  alarm.Set(&queue, ToSystem(pause), nullptr);
  const std::stop_callback wake(stop, [&alarm] { alarm.Cancel(); });
  void* tag = nullptr;
  bool fired = false;
  queue.Next(&tag, &fired);
  queue.Shutdown();
  while (queue.Next(&tag, &fired)) {
  }
}

void SilenceTransportLog() { gpr_set_log_function(IgnoreLog); }

}  // namespace resnetd::client
