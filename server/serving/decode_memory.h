#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/types/span.h"
#include "server/base/clock.h"
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

// Who may begin while the first in line finds no room in DecodeMemory.
enum class Passing {
  // Who fits beside it: it waits for nobody who came after it.
  kBeside,
  // Nobody: pictures of no size wait for large ones.
  kNobody,
  // Whoever finds room: a large picture may wait for ever.
  kEverybody,
};

// What one picture took of it.
struct DecodeLease {
  std::size_t bytes = 0;
  // It began while the first in line waited for room.
  bool has_passed = false;
};

// The books of the memory that decoders may use at once: who may begin, and
// nothing else. What needs none always may. A picture that is larger than all
// there is runs alone. Not thread-safe.
class DecodeMemory {
 public:
  explicit DecodeMemory(std::size_t max_bytes,
                        Passing passing = Passing::kBeside)
      : max_bytes_(max_bytes), passing_(passing) {}

  // Whether the first in line may begin.
  bool HasRoom(std::size_t bytes) const {
    return bytes == 0 || taken_ == 0 || bytes <= Free();
  }
  // The most that another one may need that begins now, while the first in line
  // waits for `awaited` bytes; absent: none begins. All that pass it together
  // fit beside it, so that it waits for those alone that had begun before.
  std::optional<std::size_t> RoomBeside(std::size_t awaited) const;

  DecodeLease Take(std::size_t bytes, bool passes);
  void GiveBack(const DecodeLease& lease);

  std::size_t taken() const { return taken_; }

 private:
  std::size_t Free() const { return max_bytes_ - std::min(taken_, max_bytes_); }

  const std::size_t max_bytes_;
  const Passing passing_;
  std::size_t taken_ = 0;
  // Of that, by those who passed somebody.
  std::size_t passed_ = 0;
};

}  // namespace resnetd
