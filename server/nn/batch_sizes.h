#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "absl/types/span.h"

namespace resnetd {

// The batch sizes that a device records a graph for: the powers of two below
// `max_batch`, and `max_batch` itself, ascending. A batch of another size runs
// as the next larger one, so that at most half of what is computed is padding.
// Precondition: max_batch >= 1.
std::vector<std::size_t> GraphBatchSizes(std::size_t max_batch);

// The smallest of `sizes` (ascending) that `pictures` fit in; nullopt: none.
std::optional<std::size_t> PaddedBatchSize(absl::Span<const std::size_t> sizes,
                                           std::size_t pictures);

}  // namespace resnetd
