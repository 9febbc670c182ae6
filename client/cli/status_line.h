#pragma once

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"
#include "client/cli/terminal.h"

namespace resnetd::cli {

// Columns that a line may have so that the next one does not begin by itself:
// in the last column many terminals already do that.
std::size_t UsableColumns(const Terminal& terminal);

// `line`, cut to those.
std::string Fitted(absl::string_view line, const Terminal& terminal);

// The line at the bottom of a terminal, on stderr, that says how something
// stands; nothing at all when nobody watches. Gone after Clear() or
// destruction; nothing else may be written to stderr while it is there. Not
// thread-safe.
class StatusLine {
 public:
  // `console` outlives it.
  StatusLine(const Console& console, bool enabled)
      : console_(console), enabled_(enabled && console.terminal.err_is_live) {}
  StatusLine(const StatusLine&) = delete;
  StatusLine& operator=(const StatusLine&) = delete;
  ~StatusLine() { Clear(); }

  // Whether somebody watches and wants to.
  bool enabled() const { return enabled_; }
  // Draws `text` over what was there, as much of it as fits.
  void Show(absl::string_view text);
  void Clear();

 private:
  const Console& console_;
  const bool enabled_;
  bool visible_ = false;
};

}  // namespace resnetd::cli
