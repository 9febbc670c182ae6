#include "client/cli/report.h"

#include <ostream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "client/cli/advice.h"
#include "client/cli/text.h"
#include "client/error_info.h"

namespace resnetd::cli {
namespace {

// Each line escaped by itself: a difference of weights, or a command to copy,
// stays readable.
std::string PrintableLines(absl::string_view text) {
  return absl::StrJoin(absl::StrSplit(text, '\n'), "\n",
                       [](std::string* out, absl::string_view line) {
                         absl::StrAppend(out, Printable(line));
                       });
}

}  // namespace

std::string Explain(const absl::Status& error) {
  std::string text = PrintableLines(
      absl::string_view(error.message().data(), error.message().size()));
  if (text.empty()) {
    text = absl::StrCat("the call failed with ",
                        absl::StatusCodeToString(error.code()));
  }
  const std::string advice = Printable(AdviceFor(error));
  if (!advice.empty()) {
    absl::StrAppend(&text, absl::StrContains(text, "\n") ? "\n" : ": ", advice);
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
