#include "server/rpc/page_token.h"

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/base/error.h"

namespace resnetd {

absl::StatusOr<std::size_t> PageSize(int requested) {
  if (requested < 0 || requested > kMaxPageSize) {
    const std::string text =
        absl::StrCat("page_size ", requested, " is not 0 to ", kMaxPageSize);
    return absl::Status(
        Error(absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid, text)
            .Violation("page_size", text));
  }
  return static_cast<std::size_t>(requested == 0 ? kDefaultPageSize
                                                 : requested);
}

std::string MakePageToken(absl::string_view list, absl::string_view last) {
  return absl::WebSafeBase64Escape(absl::StrCat(list, "\n", last));
}

absl::Status PageTokenError() {
  const std::string text = "page_token is not a next_page_token of this list";
  return Error(absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
               text)
      .Violation("page_token", text);
}

absl::StatusOr<std::string> ReadPageToken(absl::string_view list,
                                          absl::string_view token) {
  if (token.empty()) {
    return std::string();
  }
  std::string decoded;
  if (absl::WebSafeBase64Unescape(token, &decoded)) {
    absl::string_view last = decoded;
    if (absl::ConsumePrefix(&last, list) && absl::ConsumePrefix(&last, "\n") &&
        !last.empty()) {
      return std::string(last);
    }
  }
  return PageTokenError();
}

}  // namespace resnetd
