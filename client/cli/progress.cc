#include "client/cli/progress.h"

#include <algorithm>
#include <ostream>

#include "absl/strings/str_cat.h"
#include "client/cli/table.h"
#include "client/cli/text.h"

namespace resnetd::cli {
namespace {

constexpr std::size_t kBarColumns = 30;

}  // namespace

Progress::Progress(const Console& console, absl::string_view what,
                   std::size_t total, bool enabled)
    : console_(console),
      what_(what),
      total_(total),
      enabled_(enabled && console.terminal.err_is_live) {}

void Progress::Show(std::size_t done) {
  if (!enabled_) {
    return;
  }
  // \x1b[K clears what a longer line before this one may have left.
  console_.err << "\r" << ProgressLine(what_, done, total_, console_.terminal)
               << "\x1b[K" << std::flush;
  visible_ = true;
}

void Progress::Clear() {
  if (visible_) {
    console_.err << "\r\x1b[K" << std::flush;
    visible_ = false;
  }
}

std::string ProgressLine(absl::string_view what, std::size_t done,
                         std::size_t total, const Terminal& terminal) {
  const double share = static_cast<double>(done) /
                       static_cast<double>(std::max<std::size_t>(total, 1));
  const std::string line =
      absl::StrCat(what, " ", Bar(share, kBarColumns, terminal.unicode), " ",
                   done, "/", total);
  // In the last column many terminals already begin the next line.
  return Shorten(line,
                 terminal.columns - std::min<std::size_t>(terminal.columns, 1));
}

}  // namespace resnetd::cli
