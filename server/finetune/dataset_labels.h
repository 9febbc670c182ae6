#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace resnetd {

// Of one label of a dataset; labels of models have the same limit.
inline constexpr std::size_t kMaxDatasetLabelBytes = 256;

// Whether `labels` can be the classes of a dataset: 1 to `max_labels` different
// ones of 1 to 256 bytes of UTF-8 without control characters.
// INVALID_ARGUMENT (REQUEST_INVALID, LIMIT_EXCEEDED) with a violation for each
// wrong one.
absl::Status CheckDatasetLabels(const std::vector<std::string>& labels,
                                std::size_t max_labels);

// The beginning of `text`, at most `max_bytes`, as UTF-8: cut between
// characters, bytes that are none become '?'.
std::string KeptText(absl::string_view text, std::size_t max_bytes);

}  // namespace resnetd
