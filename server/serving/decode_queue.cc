#include "server/serving/decode_queue.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
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
  if (images <= options_.max_images - reserved_) {
    return absl::OkStatus();
  }
  return Error(absl::StatusCode::kResourceExhausted, Reason::kQueueFull,
               absl::StrCat(reserved_,
                            " images wait for a decoder and there is no room "
                            "for ",
                            images, " more (limit ", options_.max_images,
                            "): try again in 1 s"))
      .Metadata("limit", absl::StrCat(options_.max_images))
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

DecodeQueue::Turn DecodeQueue::Take(SteadyTime now) {
  const MutexLock lock(mutex_);
  Turn turn{images_.TakeWithin(memory_, now), {}, false};
  is_short_ = turn.awaited_bytes > 0;
  if (turn.image) {
    turn.lease = memory_.Take(turn.image->decode.bytes, is_short_);
    ++running_;
  }
  // Who is sent away comes again, unless what waited was dropped.
  std::size_t through = 1;
  if (is_short_ && !turn.image) {
    through = 0;
    ++sent_away_;
  }
  const std::size_t needed = std::min(sent_away_, images_.size());
  through += sent_away_ - needed;
  sent_away_ = needed;
  reserved_ -= std::min(reserved_, through);
  turn.wakes = turn.image.has_value() && Wake();
  return turn;
}

bool DecodeQueue::Wake() {
  if (sent_away_ == 0 || running_ >= options_.decoders) {
    return false;
  }
  --sent_away_;
  return true;
}

bool DecodeQueue::Finished(const DecodeLease& lease) {
  const MutexLock lock(mutex_);
  memory_.GiveBack(lease);
  --running_;
  return Wake();
}

Duration DecodeQueue::TimeOfAll(Duration took) const {
  const MutexLock lock(mutex_);
  if (!is_short_ || running_ == 0 || running_ >= options_.decoders) {
    return took;
  }
  return took * static_cast<std::int64_t>(options_.decoders) /
         static_cast<std::int64_t>(running_);
}

std::size_t DecodeQueue::size() const {
  const MutexLock lock(mutex_);
  return images_.size();
}

std::size_t DecodeQueue::taken_bytes() const {
  const MutexLock lock(mutex_);
  return memory_.taken();
}

}  // namespace resnetd
