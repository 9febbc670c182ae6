#include "server/rpc/status_codes.h"

#include <google/protobuf/message.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include "server/base/error.h"
#include "server/base/utf8.h"
#include "server/rpc/proto_time.h"

namespace resnetd {
namespace {

constexpr absl::string_view kCut = "...";
// The longest there is: the names of up to 20 models.
constexpr std::size_t kMaxMetadataValueBytes = 768;
constexpr std::size_t kMaxViolationBytes = 256;
constexpr std::size_t kMaxNameBytes = 128;
// Type URL, tags and lengths around one detail, rounded up.
constexpr std::size_t kDetailOverheadBytes = 64;
constexpr std::size_t kViolationOverheadBytes = 8;
// Room for the violation that counts those left out.
constexpr std::size_t kMoreViolationsBytes = 64;

void AddDetail(const google::protobuf::Message& detail,
               google::rpc::Status& status) {
  status.add_details()->PackFrom(detail);
}

google::rpc::ErrorInfo ToErrorInfo(const ErrorDetails& details) {
  google::rpc::ErrorInfo info;
  info.set_reason(details.reason);
  info.set_domain(kErrorDomain);
  std::size_t bytes = 0;
  for (const auto& [key, value] : details.metadata) {
    std::string safe = SafeText(value, kMaxMetadataValueBytes);
    bytes += key.size() + safe.size() + kViolationOverheadBytes;
    if (bytes > kMaxErrorDetailBytes / 2) {
      break;
    }
    (*info.mutable_metadata())[key] = std::move(safe);
  }
  return info;
}

google::rpc::BadRequest ToBadRequest(const ErrorDetails& details,
                                     std::size_t budget) {
  google::rpc::BadRequest bad_request;
  std::size_t left = details.violations.size();
  for (const auto& [field, description] : details.violations) {
    const std::string safe_field = SafeText(field, kMaxNameBytes);
    const std::string safe_text = SafeText(description, kMaxViolationBytes);
    const std::size_t bytes =
        safe_field.size() + safe_text.size() + kViolationOverheadBytes;
    const std::size_t reserve = left > 1 ? kMoreViolationsBytes : 0;
    if (bytes + reserve > budget) {
      auto* more = bad_request.add_field_violations();
      more->set_description(absl::StrCat("and ", left, " more"));
      break;
    }
    budget -= bytes;
    --left;
    auto* violation = bad_request.add_field_violations();
    violation->set_field(safe_field);
    violation->set_description(safe_text);
  }
  return bad_request;
}

google::rpc::Status ToStatus(absl::StatusCode code, absl::string_view text,
                             const ErrorDetails& details,
                             absl::string_view request_id) {
  google::rpc::Status status;
  status.set_code(static_cast<int>(code));
  status.set_message(SafeText(text, kMaxErrorTextBytes));
  AddDetail(ToErrorInfo(details), status);
  if (!request_id.empty()) {
    google::rpc::RequestInfo request_info;
    request_info.set_request_id(SafeText(request_id, kMaxNameBytes));
    AddDetail(request_info, status);
  }
  if (details.retry_after) {
    google::rpc::RetryInfo retry;
    *retry.mutable_retry_delay() = ToProto(*details.retry_after);
    AddDetail(retry, status);
  }
  if (details.resource) {
    google::rpc::ResourceInfo resource;
    resource.set_resource_type(SafeText(details.resource->first, 64));
    resource.set_resource_name(
        SafeText(details.resource->second, kMaxNameBytes));
    AddDetail(resource, status);
  }
  if (!details.violations.empty()) {
    const std::size_t used =
        status.ByteSizeLong() - status.message().size() + kDetailOverheadBytes;
    AddDetail(ToBadRequest(details, kMaxErrorDetailBytes -
                                        std::min(used, kMaxErrorDetailBytes)),
              status);
  }
  return status;
}

}  // namespace

grpc::StatusCode ToGrpcCode(absl::StatusCode code) {
  return static_cast<grpc::StatusCode>(static_cast<int>(code));
}

std::string SafeText(absl::string_view text, std::size_t max_bytes) {
  std::string safe;
  // Where the text can be cut so that the dots still fit.
  std::size_t cut_at = 0;
  while (!text.empty()) {
    const std::size_t length = Utf8CharLength(text);
    const absl::string_view next = length == 0 ? "?" : text.substr(0, length);
    if (safe.size() + next.size() > max_bytes) {
      safe.resize(cut_at);
      absl::StrAppend(&safe, kCut.substr(0, max_bytes - cut_at));
      return safe;
    }
    absl::StrAppend(&safe, next);
    text.remove_prefix(std::max<std::size_t>(length, 1));
    if (safe.size() + kCut.size() <= max_bytes) {
      cut_at = safe.size();
    }
  }
  return safe;
}

bool IsUnexpected(const absl::Status& error) {
  return DetailsOf(error).reason.empty();
}

google::rpc::Status ToRpcStatus(const absl::Status& error,
                                absl::string_view request_id) {
  ErrorDetails details = DetailsOf(error);
  if (details.reason.empty()) {
    ErrorDetails internal;
    internal.reason = std::string(ReasonName(Reason::kInternal));
    return ToStatus(absl::StatusCode::kInternal,
                    absl::StrCat("internal error; the server's log has more",
                                 request_id.empty() ? "" : " under request id ",
                                 request_id),
                    internal, request_id);
  }
  return ToStatus(error.code(), error.message(), details, request_id);
}

grpc::Status ToGrpcStatus(const absl::Status& error,
                          absl::string_view request_id) {
  const google::rpc::Status status = ToRpcStatus(error, request_id);
  return {static_cast<grpc::StatusCode>(status.code()), status.message(),
          status.SerializeAsString()};
}

}  // namespace resnetd
