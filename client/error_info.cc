#include "client/error_info.h"

#include <algorithm>

#include "absl/strings/cord.h"
#include "client/convert.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace resnetd::client {
namespace {

// Where a google.rpc.Status sits inside an absl::Status.
constexpr absl::string_view kPayloadUrl =
    "type.googleapis.com/google.rpc.Status";

void Apply(const google::rpc::ErrorInfo& detail, ErrorInfo& info) {
  info.reason = detail.reason();
  info.domain = detail.domain();
  for (const auto& [key, value] : detail.metadata()) {
    info.metadata.emplace_back(key, value);
  }
  std::sort(info.metadata.begin(), info.metadata.end());
}

void Apply(const google::rpc::BadRequest& detail, ErrorInfo& info) {
  for (const auto& violation : detail.field_violations()) {
    info.violations.emplace_back(violation.field(), violation.description());
  }
}

void Apply(const google::rpc::RetryInfo& detail, ErrorInfo& info) {
  info.retry_after = FromProto(detail.retry_delay());
}

void Apply(const google::rpc::ResourceInfo& detail, ErrorInfo& info) {
  info.resource.emplace(detail.resource_type(), detail.resource_name());
}

void Apply(const google::rpc::RequestInfo& detail, ErrorInfo& info) {
  info.request_id = detail.request_id();
}

// Applies `any` if it holds a Message; damaged ones are left out.
template <typename Message>
void ApplyIf(const google::protobuf::Any& any, ErrorInfo& info) {
  Message message;
  if (any.Is<Message>() && any.UnpackTo(&message)) {
    Apply(message, info);
  }
}

}  // namespace

std::string ErrorInfo::Metadata(absl::string_view key) const {
  for (const auto& [name, value] : metadata) {
    if (name == key) {
      return value;
    }
  }
  return "";
}

ErrorInfo ErrorInfoOf(const absl::Status& status) {
  ErrorInfo info;
  const auto payload = status.GetPayload(kPayloadUrl);
  google::rpc::Status wire;
  if (!payload || !wire.ParseFromString(std::string(*payload))) {
    return info;
  }
  for (const google::protobuf::Any& any : wire.details()) {
    ApplyIf<google::rpc::ErrorInfo>(any, info);
    ApplyIf<google::rpc::BadRequest>(any, info);
    ApplyIf<google::rpc::RetryInfo>(any, info);
    ApplyIf<google::rpc::ResourceInfo>(any, info);
    ApplyIf<google::rpc::RequestInfo>(any, info);
  }
  return info;
}

absl::Status FromProto(const google::rpc::Status& status) {
  absl::Status out(static_cast<absl::StatusCode>(status.code()),
                   status.message());
  if (!out.ok() && status.details_size() > 0) {
    out.SetPayload(kPayloadUrl, absl::Cord(status.SerializeAsString()));
  }
  return out;
}

absl::Status FromGrpc(const grpc::Status& status) {
  absl::Status out(static_cast<absl::StatusCode>(status.error_code()),
                   status.error_message());
  if (!out.ok() && !status.error_details().empty()) {
    out.SetPayload(kPayloadUrl, absl::Cord(status.error_details()));
  }
  return out;
}

absl::Status ClientError(absl::StatusCode code, absl::string_view reason,
                         absl::string_view message) {
  google::rpc::ErrorInfo detail;
  detail.set_reason(reason.data(), reason.size());
  detail.set_domain(kClientDomain.data(), kClientDomain.size());
  google::rpc::Status wire;
  wire.set_code(static_cast<int>(code));
  wire.set_message(message.data(), message.size());
  wire.add_details()->PackFrom(detail);
  return FromProto(wire);
}

}  // namespace resnetd::client
