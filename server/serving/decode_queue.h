#pragma once

#include <cstddef>
#include <limits>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/serving/decode_memory.h"
#include "server/serving/image_queue.h"

namespace resnetd {

// Images that may wait for a decoder, over all models: beyond the limits of
// their queues, a guard for the memory of the list itself.
inline constexpr std::size_t kMaxImagesForDecoders = 65'536;

// Images that wait for a decoder, in the order of ImageQueue: a request of many
// pictures does not hold up an urgent one, nor another caller's. They begin as
// far as the memory of decoders goes: who finds no room waits here, and keeps
// no decoder from the others. Thread-safe.
class DecodeQueue {
 public:
  struct Options {
    std::size_t max_images = kMaxImagesForDecoders;
    // Memory of the pictures that are decoded at once, see DecodeMemory.
    std::size_t max_bytes = std::numeric_limits<std::size_t>::max();
    Passing passing = Passing::kBeside;
    // Pictures that are decoded at once; >= 1.
    std::size_t decoders = 1;
  };

  // What an idle decoder is to do; `lease` goes back by Finished() if there is
  // an image.
  struct Turn : DecodeTurn {
    DecodeLease lease;
    // Somebody is to take again, at once, of those who found that what waits
    // may not begin: another may.
    bool wakes = false;
  };

  explicit DecodeQueue(const Options& options)
      : options_(options), memory_(options.max_bytes, options.passing) {}

  // Whether so many more may wait: RESOURCE_EXHAUSTED (QUEUE_FULL) with
  // retry_after if not. Who comes when it is full is refused, whole, and not
  // who waits.
  absl::Status CheckRoom(std::size_t images) const ABSL_LOCKS_EXCLUDED(mutex_);
  // The same, and keeps the room. GiveBack() of those that will not be pushed.
  absl::Status Reserve(std::size_t images) ABSL_LOCKS_EXCLUDED(mutex_);
  void GiveBack(std::size_t images) ABSL_LOCKS_EXCLUDED(mutex_);

  // An image that room is kept for.
  void Push(QueuedImage image) ABSL_LOCKS_EXCLUDED(mutex_);

  // The next one that may begin, and those that nobody waits for any more,
  // found on the way. Whoever pushes once has somebody take once, and again
  // whenever Take() or Finished() says so: then all are taken. Gives back the
  // room of one, unless whoever came has to come again.
  Turn Take(SteadyTime now) ABSL_LOCKS_EXCLUDED(mutex_);

  // The image that came with `lease` is through. Whether somebody is to take
  // again, see Turn.
  [[nodiscard]] bool Finished(const DecodeLease& lease)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // What `took` of one decoder counts for when times are learnt: while somebody
  // waits for room, those who decode do the work of all decoders.
  Duration TimeOfAll(Duration took) const ABSL_LOCKS_EXCLUDED(mutex_);

  std::size_t size() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Memory of the images that are being decoded.
  std::size_t taken_bytes() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  absl::Status RoomFor(std::size_t images) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Whether there is somebody to take again, and a decoder for that.
  bool Wake() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Options options_;
  mutable Mutex mutex_;
  // As often as somebody is still to take; no fewer than images that wait.
  std::size_t reserved_ ABSL_GUARDED_BY(mutex_) = 0;
  ImageQueue images_ ABSL_GUARDED_BY(mutex_){ImageQueue::Options{}};
  DecodeMemory memory_ ABSL_GUARDED_BY(mutex_);
  // Images that are being decoded.
  std::size_t running_ ABSL_GUARDED_BY(mutex_) = 0;
  // Those who came and found that what waits may not begin; no more than images
  // that wait.
  std::size_t sent_away_ ABSL_GUARDED_BY(mutex_) = 0;
  // When somebody came last, the first in line found no room.
  bool is_short_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace resnetd
