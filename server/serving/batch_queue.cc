#include "server/serving/batch_queue.h"

#include <utility>

namespace resnetd {

BatchQueue::BatchQueue(const ImageQueue::Options& options, std::size_t workers,
                       const Clock& clock)
    : workers_(workers),
      clock_(clock),
      images_(options),
      busy_workers_(workers) {}

void BatchQueue::Push(QueuedImage image) {
  {
    const MutexLock lock(mutex_);
    images_.Push(std::move(image));
  }
  changed_.NotifyOne();
}

TakenBatch BatchQueue::NextBatch() {
  TakenBatch taken;
  {
    const MutexLock lock(mutex_);
    // Workers count as busy from the start, until they first ask.
    --busy_workers_;
    while (images_.empty() && !closed_) {
      changed_.Wait(mutex_);
    }
    if (!images_.empty()) {
      taken = images_.Take(workers_ - busy_workers_, clock_.Now());
    }
    ++busy_workers_;
  }
  if (!taken.images.empty()) {
    taken.images.front().request->account().metrics().CountBatchClosed(
        taken.close);
  }
  return taken;
}

void BatchQueue::Close() {
  {
    const MutexLock lock(mutex_);
    closed_ = true;
  }
  changed_.NotifyAll();
}

}  // namespace resnetd
