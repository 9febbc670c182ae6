#include "server/serving/decode_queue.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/status_macros.h"

namespace resnetd {
namespace {

// Time in which decoders are through with a few hundred pictures.
constexpr Duration kRetryAfter = std::chrono::seconds(1);

}  // namespace

absl::Status DecodeQueue::RoomFor(std::size_t images) const {
  if (images <= limit_ - reserved_) {
    return absl::OkStatus();
  }
  return Error(absl::StatusCode::kResourceExhausted, Reason::kQueueFull,
               absl::StrCat(reserved_,
                            " images wait for a decoder and there is no room "
                            "for ",
                            images, " more (limit ", limit_,
                            "): try again in 1 s"))
      .Metadata("limit", absl::StrCat(limit_))
      .RetryAfter(kRetryAfter);
}

absl::Status DecodeQueue::CheckRoom(std::size_t images) const {
  const MutexLock lock(mutex_);
  return RoomFor(images);
}

absl::Status DecodeQueue::Reserve(std::size_t images) {
  const MutexLock lock(mutex_);
  RETURN_IF_ERROR(RoomFor(images));
  reserved_ += images;
  return absl::OkStatus();
}

void DecodeQueue::GiveBack(std::size_t images) {
  const MutexLock lock(mutex_);
  reserved_ -= std::min(reserved_, images);
}

void DecodeQueue::Push(QueuedImage image) {
  const MutexLock lock(mutex_);
  images_.Push(std::move(image));
}

TakenBatch DecodeQueue::Take(SteadyTime now) {
  const MutexLock lock(mutex_);
  reserved_ -= std::min<std::size_t>(reserved_, 1);
  return images_.Take(1, now);
}

std::size_t DecodeQueue::size() const {
  const MutexLock lock(mutex_);
  return images_.size();
}

}  // namespace resnetd
