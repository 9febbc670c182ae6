#include "client/cli/status_line.h"

#include <algorithm>
#include <ostream>

#include "client/cli/text.h"

namespace resnetd::cli {

std::size_t UsableColumns(const Terminal& terminal) {
  return terminal.columns - std::min<std::size_t>(terminal.columns, 1);
}

std::string Fitted(absl::string_view line, const Terminal& terminal) {
  return Shorten(line, UsableColumns(terminal));
}

void StatusLine::Show(absl::string_view text) {
  if (enabled_) {
    // \x1b[K clears what a longer line before this one may have left.
    console_.err << "\r" << Fitted(text, console_.terminal) << "\x1b[K"
                 << std::flush;
    visible_ = true;
  }
}

void StatusLine::Clear() {
  if (visible_) {
    console_.err << "\r\x1b[K" << std::flush;
    visible_ = false;
  }
}

}  // namespace resnetd::cli
