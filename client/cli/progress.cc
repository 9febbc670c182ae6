#include "client/cli/progress.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "client/cli/table.h"

namespace resnetd::cli {
namespace {

constexpr std::size_t kBarColumns = 30;

}  // namespace

Progress::Progress(const Console& console, absl::string_view what,
                   std::size_t total, bool enabled)
    : terminal_(console.terminal),
      what_(what),
      total_(total),
      line_(console, enabled) {}

void Progress::Show(std::size_t done) {
  line_.Show(ProgressLine(what_, done, total_, terminal_));
}

std::string ProgressLine(absl::string_view what, std::size_t done,
                         std::size_t total, const Terminal& terminal) {
  const double share = static_cast<double>(done) /
                       static_cast<double>(std::max<std::size_t>(total, 1));
  const std::string line =
      absl::StrCat(what, " ", Bar(share, kBarColumns, terminal.unicode), " ",
                   done, "/", total);
  return Fitted(line, terminal);
}

}  // namespace resnetd::cli
