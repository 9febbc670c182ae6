#include "server/rpc/unary_call.h"

#include <grpcpp/impl/codegen/proto_utils.h>

#include <atomic>
#include <chrono>
#include <iterator>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/base/error.h"
#include "server/base/ids.h"
#include "server/rpc/convert_request.h"
#include "server/rpc/status_codes.h"
#include "server/rpc/trace_context.h"

namespace resnetd {
namespace {

constexpr char kRequestIdKey[] = "x-request-id";
constexpr char kTraceParentKey[] = "traceparent";
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

std::string FormatMilliseconds(Duration duration) {
  return absl::StrFormat("%.3f", ToSeconds(duration) * 1e3);
}

}  // namespace

UnaryCall::UnaryCall(CallEnvironment& environment, absl::string_view method,
                     grpc::CallbackServerContext& context,
                     grpc::ByteBuffer& response)
    : environment_(environment),
      method_(method),
      context_(context),
      response_(response),
      arrived_(environment.clock.Now()),
      cancelled_(std::make_shared<std::atomic<bool>>(false)) {
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

absl::Status UnaryCall::Accept(const grpc::ByteBuffer& request,
                               Availability availability,
                               google::protobuf::Message& message) {
  absl::StatusOr<CallGate::Ticket> ticket =
      environment_.gate.Enter(context_.peer(), request.Length(), availability);
  if (!ticket.ok()) {
    return std::move(ticket).status();
  }
  ticket_ = *std::move(ticket);
  // gRPC made the buffer for this call and reads it no more: parsing frees it,
  // so that a large request is not held twice.
  auto& bytes = const_cast<grpc::ByteBuffer&>(request);
  if (!bytes.Valid() || !Traits::Deserialize(&bytes, &message).ok()) {
    return Error(
        absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
        absl::StrCat("the request is not a valid ", message.GetTypeName()));
  }
  return absl::OkStatus();
}

void UnaryCall::Reply(const google::protobuf::Message& message) {
  const std::size_t bytes = message.ByteSizeLong();
  const std::size_t limit = environment_.max_response_bytes;
  if (bytes > limit) {
    Fail(Error(absl::StatusCode::kInvalidArgument, Reason::kLimitExceeded,
               absl::StrCat("the answer has ", bytes,
                            " bytes, more than the limit of ", limit,
                            " (--max-message-bytes); ask for less in one call"))
             .Metadata("limit_name", "max-message-bytes")
             .Metadata("limit", absl::StrCat(limit))
             .Metadata("value", absl::StrCat(bytes)));
    return;
  }
  bool own_buffer = false;
  if (!Traits::Serialize(message, &response_, &own_buffer).ok()) {
    Fail(absl::InternalError(
        absl::StrCat("cannot serialize ", message.GetTypeName())));
    return;
  }
  End(absl::OkStatus());
  Finish(grpc::Status::OK);
}

void UnaryCall::Fail(const absl::Status& error) {
  if (error.code() == absl::StatusCode::kResourceExhausted) {
    if (const auto delay = DetailsOf(error).retry_after) {
      context_.AddTrailingMetadata(
          kPushbackKey,
          absl::StrCat(
              std::chrono::ceil<std::chrono::milliseconds>(*delay).count()));
    }
  }
  const grpc::Status status = ToGrpcStatus(error, request_id_);
  End(error);
  Finish(status);
}

void UnaryCall::UseRequestId(absl::string_view id) {
  if (!id.empty() && CheckRequestId(id, environment_.limits).ok()) {
    request_id_ = std::string(id);
  }
}

void UnaryCall::OnCancel() { cancelled_->store(true); }

void UnaryCall::End(const absl::Status& outcome) {
  context_.AddInitialMetadata(kRequestIdKey, request_id_);
  const Duration took = environment_.clock.Now() - arrived_;
  const absl::StatusCode code = !outcome.ok() && IsUnexpected(outcome)
                                    ? absl::StatusCode::kInternal
                                    : outcome.code();
  environment_.telemetry.RpcEnded(method_, code, took);
  LogEnd(outcome, took);
}

void UnaryCall::LogEnd(const absl::Status& outcome, Duration took) {
  const std::string ms = FormatMilliseconds(took);
  if (outcome.ok()) {
    Log(LogLevel::kDebug, "call served",
        {{"request_id", request_id_},
         {"trace_id", trace_id_.empty() ? "-" : trace_id_},
         {"method", std::string(method_)},
         {"code", "OK"},
         {"images", absl::StrCat(images_)},
         {"ms", ms},
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
       {"images", absl::StrCat(images_)},
       {"ms", ms},
       {"error", SafeText(outcome.message(), kMaxErrorTextBytes)}});
}

}  // namespace resnetd
