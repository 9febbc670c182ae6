#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/types/span.h"
#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/serving/classify_types.h"

namespace resnetd {

// What it costs to decode a picture, as its header announces it.
struct DecodeCost {
  // While it is decoded: two pictures of 3 bytes a pixel, or one and the
  // coefficients of a progressive JPEG.
  std::size_t bytes = 0;
  // On one core, roughly: a scale that tells large pictures from small ones.
  Duration time{};
};

// Of an encoded picture of up to `max_pixels`; one whose header does not say
// how large it is counts as the largest for its memory and as the smallest for
// its time: it will be refused as soon as a decoder looks at it.
DecodeCost DecodeCostOf(absl::Span<const std::uint8_t> encoded,
                        std::int64_t max_pixels);

// What it costs decoders to make the input of a network of `source`: encoded
// pictures as above; pixels that have to be resized, and tensors, by their
// size, without memory of the decoders; nothing of pixels that are its input.
DecodeCost PrepareCostOf(const ImageSource& source, std::int64_t max_pixels);

// The memory that decoders may use at once. Who finds no room waits, in the
// order of arrival: nobody is overtaken for ever, and a picture that is larger
// than all there is waits until it is alone. Thread-safe.
class DecodeMemory {
 public:
  // Gives back what was taken. Not thread-safe; the memory outlives it.
  class Lease {
   public:
    Lease() = default;
    Lease(Lease&& other) noexcept
        : memory_(std::exchange(other.memory_, nullptr)),
          bytes_(std::exchange(other.bytes_, 0)) {}
    Lease& operator=(Lease&& other) noexcept {
      std::swap(memory_, other.memory_);
      std::swap(bytes_, other.bytes_);
      return *this;
    }
    ~Lease() {
      if (memory_ != nullptr) {
        memory_->GiveBack(bytes_);
      }
    }

   private:
    friend class DecodeMemory;
    Lease(DecodeMemory& memory, std::size_t bytes)
        : memory_(&memory), bytes_(bytes) {}
    DecodeMemory* memory_ = nullptr;
    std::size_t bytes_ = 0;
  };

  explicit DecodeMemory(std::size_t max_bytes) : max_bytes_(max_bytes) {}
  DecodeMemory(const DecodeMemory&) = delete;
  DecodeMemory& operator=(const DecodeMemory&) = delete;

  // Waits until there is room. Nobody takes a second one before it has given
  // back the first.
  Lease Take(std::size_t bytes) ABSL_LOCKS_EXCLUDED(mutex_);

  std::size_t taken() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Who wait.
  std::size_t waiting() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void GiveBack(std::size_t bytes) ABSL_LOCKS_EXCLUDED(mutex_);
  bool HasRoom(std::size_t bytes) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return taken_ == 0 ||
           (taken_ <= max_bytes_ && bytes <= max_bytes_ - taken_);
  }

  const std::size_t max_bytes_;
  mutable Mutex mutex_;
  CondVar changed_;
  std::size_t taken_ ABSL_GUARDED_BY(mutex_) = 0;
  // Numbers of those who came, and of the one who is next.
  std::uint64_t came_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t next_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace resnetd
