#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/image/pixels.h"
#include "server/models/model.h"
#include "server/serving/batch_policy.h"
#include "server/serving/pending_request.h"

namespace resnetd {

// A decoded image that waits for its model.
struct QueuedImage {
  std::shared_ptr<PendingRequest> request;
  std::size_t index = 0;  // in the request
  Pixels pixels;          // at network size
  // Instead of `pixels`, of a tensor: see ModelInput.
  std::vector<float> normalised;
  Duration decode_wait{};
  SteadyTime enqueued_at{};
};

// Images that are ready to run, one queue per served version, the most urgent
// first. Bounded by what QueueAccount lets in, so Push never refuses.
//
// Push() from any thread; NextBatch() from the workers; Close() once.
// Thread-safe. Owns the images until NextBatch() hands them over.
class BatchQueue {
 public:
  // Both >= 1.
  BatchQueue(std::size_t max_batch, std::size_t workers);

  void Push(QueuedImage image) ABSL_LOCKS_EXCLUDED(mutex_);

  // Waits for images and returns 1 to max_batch of them, all of one version.
  // Empty only after Close(), once nothing is left.
  std::vector<QueuedImage> NextBatch() ABSL_LOCKS_EXCLUDED(mutex_);

  // Wakes the workers for the last time.
  void Close() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Entry {
    Urgency urgency;
    QueuedImage image;
  };
  // A heap by urgency. Keyed by version, so that a batch never mixes two.
  using Heap = std::vector<Entry>;

  // `close`: why it is not larger.
  std::vector<QueuedImage> TakeBatch(BatchClose& close)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::size_t max_batch_;
  const std::size_t workers_;
  Mutex mutex_;
  CondVar changed_;
  std::map<const ServedVersion*, Heap> queues_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t next_sequence_ ABSL_GUARDED_BY(mutex_) = 0;
  std::size_t busy_workers_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace resnetd
