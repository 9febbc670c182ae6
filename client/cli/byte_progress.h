#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "client/cli/status_line.h"
#include "client/cli/terminal.h"

namespace resnetd::cli {

// The progress of moving bytes, as one line at the bottom of a terminal, on
// stderr; nothing at all when nobody watches. Gone after Clear() or
// destruction. Not thread-safe.
class ByteProgress {
 public:
  using Now = std::function<std::chrono::steady_clock::time_point()>;

  // `console` outlives it.
  ByteProgress(const Console& console, absl::string_view what, bool enabled,
               Now now = std::chrono::steady_clock::now);

  // `done` of `total` bytes are through. Draws at most ten times a second, and
  // when everything is.
  void Show(std::int64_t done, std::int64_t total);
  // Draws a line of text alone, e.g. while the server checks what it got.
  void Say(absl::string_view text) { line_.Show(text); }
  void Clear() { line_.Clear(); }

 private:
  const Terminal terminal_;
  const std::string what_;
  const Now now_;
  std::optional<std::chrono::steady_clock::time_point> begun_;
  std::chrono::steady_clock::time_point drawn_;
  StatusLine line_;
};

// The line: what, bar, bytes, rate and time left; narrower than the terminal.
// `elapsed`: since the first byte.
std::string ByteProgressLine(absl::string_view what, std::int64_t done,
                             std::int64_t total,
                             std::chrono::nanoseconds elapsed,
                             const Terminal& terminal);

}  // namespace resnetd::cli
