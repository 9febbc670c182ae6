#include "server/serving/decode_queue.h"

#include <utility>

namespace resnetd {

void DecodeQueue::Push(QueuedImage image) {
  const MutexLock lock(mutex_);
  images_.Push(std::move(image));
}

TakenBatch DecodeQueue::Take(SteadyTime now) {
  const MutexLock lock(mutex_);
  return images_.Take(1, now);
}

std::size_t DecodeQueue::size() const {
  const MutexLock lock(mutex_);
  return images_.size();
}

}  // namespace resnetd
