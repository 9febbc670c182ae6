#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace resnetd {

// Of what is kept of the name of an example.
inline constexpr std::size_t kMaxExampleNameBytes = 512;
// Of a client's name for an upload.
inline constexpr std::size_t kMaxUploadNameBytes = 128;

// Whether `labels` can be the classes of a dataset: 1 to `max_labels` different
// ones, each as a label of a model.
// INVALID_ARGUMENT (REQUEST_INVALID, LIMIT_EXCEEDED) with a violation for each
// wrong one.
absl::Status CheckDatasetLabels(const std::vector<std::string>& labels,
                                std::size_t max_labels);

// Whether `upload` can name an upload: 1 to 128 printable ASCII characters.
// INVALID_ARGUMENT (REQUEST_INVALID) with a violation of "upload".
absl::Status CheckUploadName(absl::string_view upload);

// The beginning of `text`, at most `max_bytes`, as UTF-8: cut between
// characters, bytes that are none become '?'.
std::string KeptText(absl::string_view text, std::size_t max_bytes);

}  // namespace resnetd
