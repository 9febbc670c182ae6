#include "client/cli/batch_plan.h"

namespace resnetd::cli {

std::vector<Batch> PlanBatches(absl::Span<const std::size_t> image_bytes,
                               const BatchLimits& limits) {
  std::vector<Batch> batches;
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < image_bytes.size(); ++i) {
    const bool fits =
        !batches.empty() && batches.back().count < limits.max_images &&
        bytes <= limits.max_bytes && image_bytes[i] <= limits.max_bytes - bytes;
    if (!fits) {
      batches.push_back({.first = i, .count = 0});
      bytes = 0;
    }
    ++batches.back().count;
    bytes += image_bytes[i];
  }
  return batches;
}

}  // namespace resnetd::cli
