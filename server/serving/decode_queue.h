#pragma once

#include <cstddef>

#include "absl/base/thread_annotations.h"
#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/serving/image_queue.h"

namespace resnetd {

// Images that wait for a decoder, in the order of ImageQueue: a request of many
// pictures does not hold up an urgent one, nor another caller's. Thread-safe.
class DecodeQueue {
 public:
  void Push(QueuedImage image) ABSL_LOCKS_EXCLUDED(mutex_);

  // The next one, and those that nobody waits for any more, found on the way.
  // Neither when nothing waits. Whoever pushes once has somebody take once:
  // then all are taken.
  TakenBatch Take(SteadyTime now) ABSL_LOCKS_EXCLUDED(mutex_);

  std::size_t size() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  mutable Mutex mutex_;
  ImageQueue images_ ABSL_GUARDED_BY(mutex_){ImageQueue::Options{}};
};

}  // namespace resnetd
