#include "server/rpc/call_record.h"

#include <grpc/grpc_security_constants.h>
#include <grpcpp/impl/codegen/proto_utils.h>

#include <atomic>
#include <chrono>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/base/error.h"
#include "server/base/ids.h"
#include "server/base/status_macros.h"
#include "server/rpc/convert_request.h"
#include "server/rpc/deadline.h"
#include "server/rpc/method_roles.h"
#include "server/rpc/peer_identity.h"
#include "server/rpc/status_codes.h"
#include "server/rpc/trace_context.h"

namespace resnetd {
namespace {

constexpr char kRequestIdKey[] = "x-request-id";
constexpr char kDefaultDeadlineKey[] = "resnetd-default-deadline-ms";
constexpr char kTraceParentKey[] = "traceparent";
constexpr char kAuthorizationKey[] = "authorization";
// gRFC A6: clients that retry wait this long before the next attempt.
constexpr char kPushbackKey[] = "grpc-retry-pushback-ms";

using Traits = grpc::SerializationTraits<google::protobuf::Message>;

// The value of `key`, if the client sent exactly one.
absl::string_view SingleMetadata(const grpc::CallbackServerContext& context,
                                 const char* key) {
  const auto& metadata = context.client_metadata();
  const auto [begin, end] = metadata.equal_range(key);
  if (begin == end || std::next(begin) != end) {
    return {};
  }
  return {begin->second.data(), begin->second.size()};
}

// What the client proved and said of itself.
Credentials CredentialsOf(const grpc::CallbackServerContext& context) {
  Credentials credentials;
  const auto& metadata = context.client_metadata();
  const auto [begin, end] = metadata.equal_range(kAuthorizationKey);
  for (auto at = begin; at != end; ++at) {
    credentials.authorization.emplace_back(at->second.data(),
                                           at->second.size());
  }
  const auto connection = context.auth_context();
  if (connection == nullptr || !connection->IsPeerAuthenticated()) {
    return credentials;
  }
  for (const char* const property :
       {GRPC_PEER_URI_PROPERTY_NAME, GRPC_PEER_DNS_PROPERTY_NAME,
        GRPC_X509_CN_PROPERTY_NAME}) {
    for (const grpc::string_ref& name :
         connection->FindPropertyValues(property)) {
      credentials.certificate_names.emplace_back(name.data(), name.size());
    }
  }
  return credentials;
}

std::string FormatMilliseconds(Duration duration) {
  return absl::StrFormat("%.3f", ToSeconds(duration) * 1e3);
}

// When the client shall try again, in the form that gRPC's own retries read.
void AddPushback(const absl::Status& error,
                 grpc::CallbackServerContext& context) {
  if (error.code() != absl::StatusCode::kResourceExhausted) {
    return;
  }
  if (const auto delay = DetailsOf(error).retry_after) {
    context.AddTrailingMetadata(
        kPushbackKey,
        absl::StrCat(
            std::chrono::ceil<std::chrono::milliseconds>(*delay).count()));
  }
}

}  // namespace

CallRecord::CallRecord(CallEnvironment& environment, absl::string_view method,
                       grpc::CallbackServerContext& context)
    : environment_(environment),
      method_(method),
      context_(context),
      arrived_(environment.clock.Now()),
      cancelled_(std::make_shared<std::atomic<bool>>(false)),
      identity_(IdentityOfPeer(context.peer())),
      allowed_(Authorise()) {
  environment_.telemetry.RpcStarted(method_);
  UseRequestId(SingleMetadata(context_, kRequestIdKey));
  if (request_id_.empty()) {
    request_id_ = NewRequestId();
  }
  const absl::string_view trace_parent =
      SingleMetadata(context_, kTraceParentKey);
  trace_id_ = std::string(TraceIdOf(trace_parent));
  if (!trace_id_.empty()) {
    context_.AddTrailingMetadata(kTraceParentKey, std::string(trace_parent));
  }
}

absl::Status CallRecord::Authorise() {
  const AccessControl* const access = environment_.access;
  if (access == nullptr) {
    return absl::OkStatus();
  }
  const WallTime now = environment_.clock.WallNow();
  const Credentials credentials = CredentialsOf(context_);
  const absl::StatusOr<Proof> proof = ProofOf(credentials);
  if (proof.ok()) {
    open_ = environment_.open_calls.Add(*proof, method_, cancelled_);
  }
  ASSIGN_OR_RETURN(Principal principal,
                   proof.ok() ? access->IdentifyProof(*proof, now)
                              : access->Identify(credentials, now));
  absl::Status status = CheckRole(principal, method_, RoleOfMethod(method_));
  identity_ = principal.name;
  actor_ = std::move(principal.name);
  return status;
}

absl::Status CallRecord::Enter(std::size_t bytes, Availability availability) {
  RETURN_IF_ERROR(allowed_);
  absl::StatusOr<CallGate::Ticket> ticket = environment_.gate.Enter(
      {.connection = context_.peer(), .identity = identity_}, bytes,
      availability);
  if (!ticket.ok()) {
    return ticket.status();
  }
  ticket_ = *std::move(ticket);
  return absl::OkStatus();
}

absl::StatusOr<CallGate::Ticket> CallRecord::EnterPart(
    std::size_t bytes, Availability availability) const {
  return environment_.gate.Enter(
      {.connection = context_.peer(), .identity = identity_, .is_part = true},
      bytes, availability);
}

void CallRecord::UseRequestId(absl::string_view id) {
  if (!id.empty() && CheckRequestId(id, environment_.limits).ok()) {
    request_id_ = std::string(id);
  }
}

void CallRecord::AnnounceRequestId() {
  if (!announced_) {
    announced_ = true;
    context_.AddInitialMetadata(kRequestIdKey, request_id_);
  }
}

SteadyTime CallRecord::ClientDeadline() const {
  constexpr Duration kAsGoodAsNone = std::chrono::hours(24 * 365);
  const Clock& clock = environment_.clock;
  return DecideDeadline(context_.deadline(), clock.WallNow(), clock.Now(),
                        kAsGoodAsNone, kAsGoodAsNone)
      .at;
}

void CallRecord::AnnounceDefaultDeadline() {
  context_.AddInitialMetadata(
      kDefaultDeadlineKey,
      absl::StrCat(std::chrono::duration_cast<std::chrono::milliseconds>(
                       environment_.limits.default_deadline)
                       .count()));
}

grpc::Status CallRecord::End(const absl::Status& said) {
  AnnounceRequestId();
  const absl::Status outcome =
      absl::IsCancelled(said) && is_revoked() ? Gone() : said;
  if (open_ != nullptr) {
    environment_.open_calls.Remove(open_);
  }
  const Duration took = environment_.clock.Now() - arrived_;
  const absl::StatusCode code = !outcome.ok() && IsUnexpected(outcome)
                                    ? absl::StatusCode::kInternal
                                    : outcome.code();
  environment_.telemetry.RpcEnded(method_, code, took, trace_id_);
  LogEnd(outcome, took);
  ticket_.Answered();
  if (outcome.ok()) {
    return grpc::Status::OK;
  }
  AddPushback(outcome, context_);
  return ToGrpcStatus(outcome, request_id_);
}

bool CallRecord::is_revoked() const {
  return open_ != nullptr && open_->revoked().has_value();
}

absl::Status CallRecord::Gone() const {
  if (open_ != nullptr) {
    if (const std::optional<absl::Status> why = open_->revoked()) {
      return *why;
    }
  }
  if (std::chrono::system_clock::now() >= context_.deadline()) {
    return Error(absl::StatusCode::kDeadlineExceeded, Reason::kExpiredInQueue,
                 "the deadline passed before the call was finished");
  }
  return Error(absl::StatusCode::kCancelled, Reason::kCancelled,
               "the caller cancelled or went away");
}

void CallRecord::LogEnd(const absl::Status& outcome, Duration took) {
  const std::string ms = FormatMilliseconds(took);
  if (outcome.ok()) {
    Log(LogLevel::kDebug, "call served",
        {{"request_id", request_id_},
         {"trace_id", trace_id_.empty() ? "-" : trace_id_},
         {"method", std::string(method_)},
         {"code", "OK"},
         {amount_of_, absl::StrCat(amount_)},
         {"ms", ms},
         {"caller", actor_},
         {"peer", context_.peer()}});
    return;
  }
  if (!environment_.failures.Allow(environment_.clock.Now())) {
    return;
  }
  const bool unexpected = IsUnexpected(outcome);
  const bool is_bug =
      unexpected || outcome.code() == absl::StatusCode::kInternal;
  Log(is_bug ? LogLevel::kError : LogLevel::kInfo, "call failed",
      {{"request_id", request_id_},
       {"trace_id", trace_id_.empty() ? "-" : trace_id_},
       {"method", std::string(method_)},
       {"code", absl::StatusCodeToString(
                    unexpected ? absl::StatusCode::kInternal : outcome.code())},
       {"reason", unexpected ? "INTERNAL" : DetailsOf(outcome).reason},
       {amount_of_, absl::StrCat(amount_)},
       {"ms", ms},
       {"caller", actor_},
       {"error", SafeText(outcome.message(), kMaxErrorTextBytes)}});
}

absl::Status ParseMessage(const grpc::ByteBuffer& bytes,
                          google::protobuf::Message& message) {
  // gRPC made the buffer for this call and reads it no more: parsing frees it,
  // so that a large request is not held twice.
  auto& taken = const_cast<grpc::ByteBuffer&>(bytes);
  if (!taken.Valid()) {
    // gRPC begins a call also when its client went away while the message was
    // on its way.
    return Error(absl::StatusCode::kCancelled, Reason::kCancelled,
                 "the call ended before its request had come");
  }
  if (!Traits::Deserialize(&taken, &message).ok()) {
    return Error(
        absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
        absl::StrCat("the request is not a valid ", message.GetTypeName()));
  }
  return absl::OkStatus();
}

absl::Status BadPart(absl::string_view field, absl::string_view text) {
  return Error(absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
               text)
      .Violation(field, text);
}

absl::Status SerializeMessage(const google::protobuf::Message& message,
                              std::size_t max_bytes, grpc::ByteBuffer& bytes) {
  const std::size_t size = message.ByteSizeLong();
  if (size > max_bytes) {
    return Error(absl::StatusCode::kInvalidArgument, Reason::kLimitExceeded,
                 absl::StrCat("the answer has ", size,
                              " bytes, more than the limit of ", max_bytes,
                              " (--max-message-bytes); ask for less in one "
                              "call"))
        .Metadata("limit_name", "max-message-bytes")
        .Metadata("limit", absl::StrCat(max_bytes))
        .Metadata("value", absl::StrCat(size));
  }
  bool own_buffer = false;
  if (!Traits::Serialize(message, &bytes, &own_buffer).ok()) {
    return absl::InternalError(
        absl::StrCat("cannot serialize ", message.GetTypeName()));
  }
  return absl::OkStatus();
}

}  // namespace resnetd
