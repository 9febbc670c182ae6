#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace resnetd::cli {

// `text` from a server or a file name, made safe for a terminal: control
// characters (also those above ASCII), characters that turn the direction of
// the text or are invisible, and bytes that are not UTF-8 become escapes such
// as \n, \x1b and \u{202e}.
std::string Printable(absl::string_view text);

// The same for a JSON text: such characters become \u202e, which reads back as
// the same character. `json` is UTF-8 and has its ASCII controls escaped.
std::string PrintableJson(absl::string_view json);

// Columns that a terminal uses for `text` (UTF-8 without control characters):
// 2 for East Asian wide characters and emoji, 0 for combining ones.
std::size_t DisplayWidth(absl::string_view text);

// `text` filled up with spaces to `width` columns; longer text stays as it is.
std::string PadRight(absl::string_view text, std::size_t width);
std::string PadLeft(absl::string_view text, std::size_t width);

// At most `width` columns of `text`; "..." at the end when it was cut.
std::string Shorten(absl::string_view text, std::size_t width);

// E.g. "0.08 ms", "12.3 ms", "1.20 s", "5 min 3 s".
std::string FormatDuration(std::chrono::nanoseconds duration);

// E.g. "713 B", "1.5 MiB".
std::string FormatBytes(std::int64_t bytes);

// E.g. "11,689,512".
std::string FormatCount(std::int64_t count);

}  // namespace resnetd::cli
