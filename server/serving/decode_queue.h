#pragma once

#include <cstddef>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/serving/image_queue.h"

namespace resnetd {

// Images that may wait for a decoder, over all models: beyond the limits of
// their queues, a guard for the memory of the list itself.
inline constexpr std::size_t kMaxImagesForDecoders = 65'536;

// Images that wait for a decoder, in the order of ImageQueue: a request of many
// pictures does not hold up an urgent one, nor another caller's. Thread-safe.
class DecodeQueue {
 public:
  explicit DecodeQueue(std::size_t limit = kMaxImagesForDecoders)
      : limit_(limit) {}

  // Whether so many more may wait: RESOURCE_EXHAUSTED (QUEUE_FULL) with
  // retry_after if not. Who comes when it is full is refused, whole, and not
  // who waits.
  absl::Status CheckRoom(std::size_t images) const ABSL_LOCKS_EXCLUDED(mutex_);
  // The same, and keeps the room. GiveBack() of those that will not be pushed.
  absl::Status Reserve(std::size_t images) ABSL_LOCKS_EXCLUDED(mutex_);
  void GiveBack(std::size_t images) ABSL_LOCKS_EXCLUDED(mutex_);

  // An image that room is kept for.
  void Push(QueuedImage image) ABSL_LOCKS_EXCLUDED(mutex_);

  // The next one, and those that nobody waits for any more, found on the way.
  // Neither when nothing waits. Whoever pushes once has somebody take once:
  // then all are taken. Gives back the room of one.
  TakenBatch Take(SteadyTime now) ABSL_LOCKS_EXCLUDED(mutex_);

  std::size_t size() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  absl::Status RoomFor(std::size_t images) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::size_t limit_;
  mutable Mutex mutex_;
  // Images that are still to be taken, pushed or not.
  std::size_t reserved_ ABSL_GUARDED_BY(mutex_) = 0;
  ImageQueue images_ ABSL_GUARDED_BY(mutex_){ImageQueue::Options{}};
};

}  // namespace resnetd
