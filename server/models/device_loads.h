#pragma once

#include <cstddef>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/types/span.h"
#include "server/base/mutex.h"

namespace resnetd {

// The device that is through with a batch first: booked[i] seconds of work are
// in flight on device i, and the batch takes own[i] seconds there. Of several
// the first. Pure. Precondition: equal sizes, at least 1.
std::size_t EndsFirst(absl::Span<const double> booked,
                      absl::Span<const double> own);

// The work in flight on each of several devices, of all models on them.
// Thread-safe.
class DeviceLoads {
 public:
  // `devices` >= 1.
  explicit DeviceLoads(std::size_t devices);

  struct Booking {
    std::size_t device = 0;
    double seconds = 0;
    // Nothing else was in flight on the device.
    bool is_alone = false;
  };
  // Books a batch that takes own[i] seconds on device i where it ends first,
  // until Leave().
  Booking Enter(absl::Span<const double> own) ABSL_LOCKS_EXCLUDED(mutex_);
  void Leave(const Booking& booking) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Load {
    int batches = 0;
    double seconds = 0;
  };

  Mutex mutex_;
  std::vector<Load> loads_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace resnetd
