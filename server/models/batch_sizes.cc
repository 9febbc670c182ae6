#include "server/models/batch_sizes.h"

#include <algorithm>

namespace resnetd {

std::vector<std::size_t> GraphBatchSizes(
    std::size_t max_batch, absl::Span<const std::size_t> allowed) {
  std::vector<std::size_t> sizes(
      allowed.begin(),
      std::lower_bound(allowed.begin(), allowed.end(), max_batch));
  for (std::size_t size = 1; allowed.empty() && size < max_batch; size *= 2) {
    sizes.push_back(size);
  }
  sizes.push_back(max_batch);
  return sizes;
}

std::size_t RowsOf(std::size_t images, absl::Span<const std::size_t> allowed) {
  const auto* const rows =
      std::lower_bound(allowed.begin(), allowed.end(), images);
  return rows == allowed.end() ? images : *rows;
}

}  // namespace resnetd
