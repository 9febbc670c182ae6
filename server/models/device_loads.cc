#include "server/models/device_loads.h"

#include <cstddef>
#include <vector>

#include "absl/types/span.h"
#include "server/base/mutex.h"

namespace resnetd {

std::size_t EndsFirst(absl::Span<const double> booked,
                      absl::Span<const double> own) {
  std::size_t first = 0;
  for (std::size_t i = 1; i < booked.size(); ++i) {
    if (booked[i] + own[i] < booked[first] + own[first]) {
      first = i;
    }
  }
  return first;
}

DeviceLoads::DeviceLoads(std::size_t devices) : loads_(devices) {}

DeviceLoads::Booking DeviceLoads::Enter(absl::Span<const double> own) {
  const MutexLock lock(mutex_);
  std::vector<double> booked;
  booked.reserve(loads_.size());
  for (const Load& load : loads_) {
    booked.push_back(load.seconds);
  }
  const std::size_t device = EndsFirst(booked, own);
  Load& load = loads_[device];
  const bool is_alone = load.batches == 0;
  ++load.batches;
  load.seconds += own[device];
  return {.device = device, .seconds = own[device], .is_alone = is_alone};
}

void DeviceLoads::Leave(const Booking& booking) {
  const MutexLock lock(mutex_);
  Load& load = loads_[booking.device];
  --load.batches;
  // Of nothing exactly nothing: sums of floats keep a rest.
  load.seconds = load.batches == 0 ? 0 : load.seconds - booking.seconds;
}

}  // namespace resnetd
