#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace resnetd {

// Longest label, and the most labels of a model.
inline constexpr std::size_t kMaxLabelBytes = 256;

// The labels of `text`, one a line, ended by LF or CRLF, the last one also by
// the end of the text; a byte order mark is skipped. Labels may repeat:
// ImageNet has two cranes.
// INVALID_ARGUMENT (MODEL_INVALID) naming the line: not `classes` lines, an
// empty line, no UTF-8, a control character, or more than kMaxLabelBytes.
absl::StatusOr<std::vector<std::string>> ParseLabels(absl::string_view text,
                                                     int classes);

// "0", "1", ... for a model without labels.
std::vector<std::string> NumberedLabels(int classes);

}  // namespace resnetd
