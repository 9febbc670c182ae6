#pragma once

#include <cstddef>

#include "absl/base/thread_annotations.h"
#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/serving/image_queue.h"

namespace resnetd {

// Images that are ready to run, handed out to worker threads in the order of
// ImageQueue. Bounded by what QueueAccount lets in, so Push never refuses.
//
// Push() from any thread; NextBatch() from the workers; Close() once.
// Thread-safe. Owns the images until NextBatch() hands them over.
class BatchQueue {
 public:
  // `workers` >= 1. The clock outlives the queue.
  BatchQueue(const ImageQueue::Options& options, std::size_t workers,
             const Clock& clock);

  void Push(QueuedImage image) ABSL_LOCKS_EXCLUDED(mutex_);

  // Waits for images and returns 1 to max_batch of them, all of one version,
  // or only such as are to be dropped. Empty only after Close(), once nothing
  // is left.
  TakenBatch NextBatch() ABSL_LOCKS_EXCLUDED(mutex_);

  // Wakes the workers for the last time.
  void Close() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  const std::size_t workers_;
  const Clock& clock_;
  Mutex mutex_;
  CondVar changed_;
  ImageQueue images_ ABSL_GUARDED_BY(mutex_);
  std::size_t busy_workers_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace resnetd
