#include "server/serving/queue_account.h"

#include <cstdint>

namespace resnetd {
namespace {

// Weight of the newest batch in the moving average: old enough to smooth out a
// preempted batch, young enough to follow a new neighbour within 8 batches.
constexpr std::int64_t kAverageOver = 8;

}  // namespace

QueueAccount::QueueAccount(const QueueLimits& limits, std::size_t workers,
                           ModelMetrics& metrics)
    : limits_(limits), metrics_(metrics) {
  const MutexLock lock(mutex_);
  service_.workers = workers;
}

absl::Status QueueAccount::Reserve(std::size_t images, std::size_t bytes,
                                   SteadyTime now, SteadyTime deadline) {
  std::size_t depth = 0;
  {
    const MutexLock lock(mutex_);
    if (absl::Status refused =
            Admit(limits_, load_, service_, images, bytes, now, deadline);
        !refused.ok()) {
      return refused;
    }
    load_.images += images;
    load_.bytes += bytes;
    depth = load_.images;
  }
  metrics_.SetQueue(depth, limits_.max_images);
  return absl::OkStatus();
}

void QueueAccount::Release(std::size_t bytes) {
  std::size_t depth = 0;
  {
    const MutexLock lock(mutex_);
    --load_.images;
    load_.bytes -= bytes;
    depth = load_.images;
  }
  metrics_.SetQueue(depth, limits_.max_images);
}

void QueueAccount::RecordBatch(std::size_t images, Duration duration) {
  const Duration per_image = duration / static_cast<std::int64_t>(images);
  const MutexLock lock(mutex_);
  service_.per_image =
      service_.per_image == Duration::zero()
          ? per_image
          : service_.per_image +
                (per_image - service_.per_image) / kAverageOver;
}

QueueLoad QueueAccount::load() const {
  const MutexLock lock(mutex_);
  return load_;
}

}  // namespace resnetd
