#include "server/models/warm_up.h"

#include <cstdint>
#include <vector>

#include "server/base/clock.h"
#include "server/base/status_macros.h"
#include "server/image/pixels.h"

namespace resnetd {

absl::StatusOr<std::vector<double>> TimeEveryBatchSize(const Model& model,
                                                       int side,
                                                       std::size_t max_batch,
                                                       const Clock& clock) {
  const auto length = static_cast<std::size_t>(side);
  const Pixels black{.width = side,
                     .height = side,
                     .rgb = std::vector<std::uint8_t>(length * length * 3)};
  std::vector<double> seconds;
  seconds.reserve(max_batch);
  for (std::size_t size = 1; size <= max_batch; ++size) {
    const std::vector<const Pixels*> batch(size, &black);
    const SteadyTime start = clock.Now();
    RETURN_IF_ERROR(model.Logits(batch).status());
    seconds.push_back(ToSeconds(clock.Now() - start));
  }
  return seconds;
}

absl::StatusOr<int> RunEveryBatchSize(const Model& model, int side,
                                      std::size_t max_batch) {
  RETURN_IF_ERROR(
      TimeEveryBatchSize(model, side, max_batch, RealClock()).status());
  return static_cast<int>(max_batch);
}

}  // namespace resnetd
