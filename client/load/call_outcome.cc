#include "client/load/call_outcome.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "client/error_info.h"

namespace resnetd::client {
namespace {

CallEnd EndOf(absl::StatusCode code, const std::string& reason) {
  if (code == absl::StatusCode::kDeadlineExceeded) {
    return reason == "DEADLINE_UNREACHABLE" ? CallEnd::kRefused
                                            : CallEnd::kLate;
  }
  return code == absl::StatusCode::kResourceExhausted || reason == "DRAINING"
             ? CallEnd::kRefused
             : CallEnd::kFailed;
}

}  // namespace

CallOutcome OutcomeOf(const absl::Status& error) {
  const std::string reason = ErrorInfoOf(error).reason;
  return {.end = EndOf(error.code(), reason),
          .error = absl::StrCat(absl::StatusCodeToString(error.code()),
                                reason.empty() ? "" : " ", reason)};
}

}  // namespace resnetd::client
