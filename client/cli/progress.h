#pragma once

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"
#include "client/cli/status_line.h"
#include "client/cli/terminal.h"

namespace resnetd::cli {

// A line of progress at the bottom of a terminal, on stderr; nothing at all
// when nobody watches. Gone after Clear() or destruction. Not thread-safe.
class Progress {
 public:
  // `console` outlives it. `total` >= 1.
  Progress(const Console& console, absl::string_view what, std::size_t total,
           bool enabled);
  // Draws the line with `done` of `total`.
  void Show(std::size_t done);
  // Takes the line away, so that other text can be written.
  void Clear() { line_.Clear(); }

 private:
  const Terminal terminal_;
  const std::string what_;
  const std::size_t total_;
  StatusLine line_;
};

// The line: what, bar, counts; at most `columns` wide.
std::string ProgressLine(absl::string_view what, std::size_t done,
                         std::size_t total, const Terminal& terminal);

}  // namespace resnetd::cli
