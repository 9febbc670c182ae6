#include "client/connection.h"

#include <google/protobuf/wrappers.pb.h>
#include <grpcpp/alarm.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/version_info.h>

#include <future>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "client/convert.h"
#include "client/error_info.h"
// For gRPC's serialisation of messages, whose header moves between releases.
#include "resnetd/v1/server_service.grpc.pb.h"
#include "server/base/version.h"
#if GRPC_CPP_VERSION_MAJOR == 1 && GRPC_CPP_VERSION_MINOR < 60
#include <grpc/support/log.h>
#else
#include "absl/log/globals.h"
#include "absl/log/initialize.h"
#endif

namespace resnetd::client {
namespace {

using std::chrono::nanoseconds;
using std::chrono::steady_clock;

// Time to ask an unhealthy or unreachable server what is the matter.
constexpr std::chrono::seconds kDiagnosisTimeout(1);
// gRPC waits a second at first, and up to two minutes, before it connects
// again: too long for a server that was only restarted.
constexpr int kFirstReconnectMilliseconds = 100;
constexpr int kLongestReconnectMilliseconds = 5'000;
// gRPC asks for the addresses of a name when a connection ends, but by itself
// not twice within 30 s: as long would a server that came in the place of
// another one stay unknown.
constexpr int kBetweenLookUpsMilliseconds = 1'000;

std::shared_ptr<grpc::Channel> MakeChannel(
    const Target& target, const ChannelSecurity& security,
    const std::optional<std::string>& health) {
  grpc::ChannelArguments arguments =
      CommonArguments(target, security, "resnetd-client");
  arguments.SetServiceConfigJSON(ServiceConfig(health));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS,
                   kFirstReconnectMilliseconds);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS,
                   kLongestReconnectMilliseconds);
  arguments.SetInt(GRPC_ARG_DNS_MIN_TIME_BETWEEN_RESOLUTIONS_MS,
                   kBetweenLookUpsMilliseconds);
  return grpc::CreateCustomChannel(target.grpc, security.credentials,
                                   arguments);
}

// What the server said about the next try, in the metadata behind the answer.
std::optional<absl::string_view> PushbackMetadata(
    const grpc::ClientContext& context) {
  const auto& trailers = context.GetServerTrailingMetadata();
  const auto found = trailers.find("grpc-retry-pushback-ms");
  if (found == trailers.end()) {
    return std::nullopt;
  }
  return absl::string_view(found->second.data(), found->second.size());
}

std::chrono::system_clock::time_point ToSystem(nanoseconds from_now) {
  return std::chrono::system_clock::now() +
         std::chrono::duration_cast<std::chrono::system_clock::duration>(
             from_now);
}

// What a text of gRPC says of TLS; empty: nothing.
std::string WhyTlsFailed(const std::string& text) {
  if (absl::StrContains(text, "verify failed")) {
    return "its certificate is not vouched for by the authorities given, or "
           "has expired";
  }
  if (absl::StrContains(text, "ostname") ||
      absl::StrContains(text, "not in peer certificate")) {
    return "its certificate is for another name";
  }
  if (absl::StrContains(text, "andshake") || absl::StrContains(text, "SSL")) {
    return "does it speak TLS, and does it ask for a certificate that it did "
           "not get?";
  }
  return "";
}

}  // namespace

std::string ServiceConfig(const std::optional<std::string>& health) {
  nlohmann::json config;
  config["loadBalancingConfig"][0]["round_robin"] = nlohmann::json::object();
  if (health) {
    config["healthCheckConfig"]["serviceName"] = *health;
  }
  return config.dump();
}

grpc::ChannelArguments CommonArguments(const Target& target,
                                       const ChannelSecurity& security,
                                       absl::string_view agent) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  arguments.SetMaxSendMessageSize(kMaxMessageBytes);
  if (target.local) {
    // A proxy of the environment cannot reach this machine's own ports.
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  }
  if (!security.server_name.empty()) {
    arguments.SetSslTargetNameOverride(security.server_name);
  }
  arguments.SetUserAgentPrefix(absl::StrCat(agent, "/", kVersion));
  return arguments;
}

Connection::Connection(Target target, const Options& options)
    : target_(std::move(target)),
      retries_(options.retries),
      is_tls_(options.security.is_tls),
      healthy_(MakeChannel(target_, options.security, options.health)),
      any_(MakeChannel(target_, options.security, std::nullopt)),
      budget_(options.retry_share) {}

absl::Status Connection::Call(const Manner& manner, const Try& attempt) const {
  const steady_clock::time_point deadline =
      steady_clock::now() + manner.timeout;
  CountCall();
  for (int tries = 1;; ++tries) {
    grpc::ClientContext context;
    context.set_deadline(ToSystem(deadline - steady_clock::now()));
    CountTry();
    const grpc::Status status = attempt(context);
    if (status.ok()) {
      return absl::OkStatus();
    }
    const bool repeats =
        manner.repeats && (!manner.may_repeat || manner.may_repeat());
    const auto pause = repeats ? PauseBefore(status, context, tries,
                                             deadline - steady_clock::now())
                               : std::nullopt;
    if (!pause) {
      return Explain(manner, status);
    }
    Pause(*pause);
  }
}

void Connection::CountCall() const {
  ++calls_;
  budget_.Deposit();
}

std::optional<nanoseconds> Connection::PauseBefore(
    const grpc::Status& status, const grpc::ClientContext& context, int tries,
    nanoseconds left) const {
  const ErrorInfo info = ErrorInfoOf(FromGrpc(status));
  const auto pause = PauseBeforeNext(
      {.code = static_cast<absl::StatusCode>(status.error_code()),
       .reason = info.reason,
       .pushback = PushbackOf(PushbackMetadata(context), info.retry_after)},
      tries, left, Uniform(), retries_);
  if (pause && !budget_.Withdraw()) {
    ++unaffordable_;
    return std::nullopt;
  }
  return pause;
}

double Connection::Uniform() const {
  const MutexLock lock(mutex_);
  return static_cast<double>(random_() >> 11U) * 0x1p-53;
}

CallCounts Connection::counts() const {
  return {.calls = calls_, .tries = tries_, .unaffordable = unaffordable_};
}

absl::Status Connection::Explain(const Manner& manner,
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
  if (absl::Status tls = ExplainTls(status); !tls.ok()) {
    return tls;
  }
  const std::string within =
      unavailable || manner.timeout == nanoseconds::zero()
          ? ""
          : absl::StrCat(" within ", absl::FormatDuration(
                                         absl::FromChrono(manner.timeout)));
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

absl::Status Connection::ExplainTls(const grpc::Status& status) const {
  const std::string why = is_tls_ ? WhyTlsFailed(status.error_message()) : "";
  if (why.empty()) {
    return absl::OkStatus();
  }
  return ClientError(
      absl::StatusCode::kUnavailable, kReasonTlsFailed,
      absl::StrCat("TLS with ", target_.shown, " failed: ", why));
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

#if GRPC_CPP_VERSION_MAJOR == 1 && GRPC_CPP_VERSION_MINOR < 60
void SilenceTransportLog() {
  gpr_set_log_function([](gpr_log_func_args* /*args*/) {});
}
#else
// Before it is initialised, abseil's log writes everything.
void SilenceTransportLog() {
  absl::InitializeLog();
  absl::SetStderrThreshold(absl::LogSeverityAtLeast::kInfinity);
}
#endif

}  // namespace resnetd::client
