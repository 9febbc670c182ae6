#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace resnetd::cli {

struct CsvRow {
  // Of the line that it begins on, from 1 on.
  std::size_t line = 1;
  std::vector<std::string> fields;
};

// The rows of `text` after RFC 4180: fields between commas, in double quotes if
// they hold commas, line ends or quotes (doubled); lines end with LF or CRLF.
// Empty lines and a byte order mark are passed over. INVALID_ARGUMENT without a
// reason, naming the line: a quote that does not end, or text beside one.
absl::StatusOr<std::vector<CsvRow>> ParseCsv(absl::string_view text);

}  // namespace resnetd::cli
