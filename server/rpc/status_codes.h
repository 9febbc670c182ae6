#pragma once

#include <grpcpp/support/status.h>

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "google/rpc/status.pb.h"

namespace resnetd {

// ErrorInfo.domain of every error.
inline constexpr char kErrorDomain[] = "resnetd";

// Bytes of an error's text on the wire. Text and details travel in trailers,
// and clients refuse trailers over 8 KiB: a text of 1 KiB may be escaped to
// three times its size and stands a second time in the details.
inline constexpr std::size_t kMaxErrorTextBytes = 1024;
// Bytes of the details beside the text, before base64.
inline constexpr std::size_t kMaxErrorDetailBytes = 2048;

// The code of the same number.
grpc::StatusCode ToGrpcCode(absl::StatusCode code);

// `text` as UTF-8 of at most `max_bytes`: bytes that are no UTF-8 become '?',
// what is cut off is replaced by "...".
std::string SafeText(absl::string_view text, std::size_t max_bytes);

// True for an error without details of ours: its text may hold anything, so it
// is for the log and never for a client.
bool IsUnexpected(const absl::Status& error);

// The error as it stands in a response: code, text, ErrorInfo, RequestInfo
// and, where the error has them, RetryInfo, ResourceInfo and BadRequest.
// Violations that do not fit are counted in a last one. An unexpected error
// becomes INTERNAL with a text that only names the request. `request_id` is
// empty for an error that is part of an answer and of no request.
// Precondition: !error.ok().
google::rpc::Status ToRpcStatus(const absl::Status& error,
                                absl::string_view request_id);

// The same as the status of a failed call, the details in its trailers.
grpc::Status ToGrpcStatus(const absl::Status& error,
                          absl::string_view request_id);

}  // namespace resnetd
