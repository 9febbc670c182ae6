#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace resnetd {

// The longest label.
inline constexpr std::size_t kMaxLabelBytes = 256;
// The most labels, which is the most classes, of a model: more would cost more
// than the network, 2048 x 100,000 weights of the head.
inline constexpr std::size_t kMaxLabels = 100'000;
// The largest labels file: each label with CRLF, and a byte order mark.
inline constexpr std::uint64_t kMaxLabelsFileBytes =
    kMaxLabels * (kMaxLabelBytes + 2) + 3;

// What is wrong with `label`, as the end of a sentence, e.g. "is empty"; empty:
// nothing. A label is 1 to kMaxLabelBytes of UTF-8 without control characters.
std::string LabelComplaint(absl::string_view label);

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
