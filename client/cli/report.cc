#include "client/cli/report.h"

#include <ostream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/cli/text.h"
#include "client/error_info.h"

namespace resnetd::cli {
namespace {

using client::ErrorInfo;

// What to do about a reason that the server's own text cannot know: it does
// not know which client it talks to.
std::string Advice(const absl::Status& error, const ErrorInfo& info) {
  if (info.reason == client::kReasonNoConnection) {
    return "start one with ./dev run, or name one with --server HOST:PORT or "
           "RESNETD_SERVER";
  }
  if (info.reason == client::kReasonNotServing) {
    return "try again in a moment; `resnetctl doctor` tells more";
  }
  if (info.reason == "MODEL_NOT_FOUND" || info.reason == "VERSION_NOT_FOUND") {
    return "`resnetctl models list` shows what there is";
  }
  if (info.retry_after) {
    return absl::StrCat("try again after ", FormatDuration(*info.retry_after));
  }
  switch (error.code()) {
    case absl::StatusCode::kDeadlineExceeded:
      return "allow more time with --timeout, for example --timeout 30s";
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kPermissionDenied:
      return "the server asks for credentials that this call did not carry";
    case absl::StatusCode::kUnimplemented:
      return "is this a resnetd server? `resnetctl doctor` tells more";
    case absl::StatusCode::kInternal:
      return info.request_id.empty()
                 ? ""
                 : absl::StrCat("quote request id ", info.request_id,
                                " when reporting it");
    default:
      return "";
  }
}

}  // namespace

std::string Explain(const absl::Status& error) {
  const ErrorInfo info = client::ErrorInfoOf(error);
  std::string text = Printable(
      absl::string_view(error.message().data(), error.message().size()));
  if (text.empty()) {
    text = absl::StrCat("the call failed with ",
                        absl::StatusCodeToString(error.code()));
  }
  const std::string advice = Printable(Advice(error, info));
  if (!advice.empty()) {
    absl::StrAppend(&text, ": ", advice);
  }
  return text;
}

ExitCode ReportError(const Console& console, const absl::Status& error) {
  console.err << Paint("error:", Colour::kRed, console.terminal.err_colours)
              << " " << Explain(error) << "\n";
  for (const auto& [field, what] : client::ErrorInfoOf(error).violations) {
    if (!absl::StrContains(error.message(), what)) {
      console.err << "  " << Printable(field) << ": " << Printable(what)
                  << "\n";
    }
  }
  return ExitCodeFor(error.code());
}

void ReportWarning(const Console& console, absl::string_view text) {
  console.err << Paint("warning:", Colour::kYellow,
                       console.terminal.err_colours)
              << " " << Printable(text) << "\n";
}

}  // namespace resnetd::cli
