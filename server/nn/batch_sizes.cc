#include "server/nn/batch_sizes.h"

#include <algorithm>

namespace resnetd {

std::vector<std::size_t> GraphBatchSizes(std::size_t max_batch) {
  std::vector<std::size_t> sizes;
  for (std::size_t size = 1; size < max_batch; size *= 2) {
    sizes.push_back(size);
  }
  sizes.push_back(max_batch);
  return sizes;
}

std::optional<std::size_t> PaddedBatchSize(absl::Span<const std::size_t> sizes,
                                           std::size_t pictures) {
  const auto fits = std::lower_bound(sizes.begin(), sizes.end(), pictures);
  if (fits == sizes.end()) {
    return std::nullopt;
  }
  return *fits;
}

}  // namespace resnetd
