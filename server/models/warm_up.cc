#include "server/models/warm_up.h"

#include <cstdint>
#include <vector>

#include "server/base/status_macros.h"
#include "server/image/pixels.h"

namespace resnetd {

absl::StatusOr<int> RunEveryBatchSize(const Model& model, int side,
                                      std::size_t max_batch) {
  const auto length = static_cast<std::size_t>(side);
  const Pixels black{.width = side,
                     .height = side,
                     .rgb = std::vector<std::uint8_t>(length * length * 3)};
  for (std::size_t size = 1; size <= max_batch; ++size) {
    const std::vector<const Pixels*> batch(size, &black);
    RETURN_IF_ERROR(model.Logits(batch).status());
  }
  return static_cast<int>(max_batch);
}

}  // namespace resnetd
