#include "server/serving/decode_memory.h"

#include <algorithm>
#include <chrono>
#include <variant>

#include "server/image/announced_size.h"

namespace resnetd {
namespace {

constexpr std::size_t kBytesPerPixel = 6;
// A photo of a megapixel takes some 5 ms, whatever its format, and a thumbnail
// not nothing.
constexpr Duration kTimePerPixel = std::chrono::nanoseconds(5);
// Of pixels that are there: to resize or to convert them.
constexpr Duration kTimePerRawPixel = std::chrono::nanoseconds(3);
constexpr Duration kTimePerPicture = std::chrono::microseconds(20);

}  // namespace

DecodeCost DecodeCostOf(absl::Span<const std::uint8_t> encoded,
                        std::int64_t max_pixels) {
  const std::int64_t announced = AnnouncedPixels(encoded);
  const std::int64_t pixels = std::min(announced, max_pixels);
  const std::int64_t held = announced == 0 ? max_pixels : pixels;
  return {.bytes = static_cast<std::size_t>(held) * kBytesPerPixel,
          .time = kTimePerPicture + kTimePerPixel * pixels};
}

DecodeCost PrepareCostOf(const ImageSource& source, std::int64_t max_pixels) {
  if (const auto* encoded = std::get_if<EncodedImage>(&source)) {
    return DecodeCostOf(encoded->bytes, max_pixels);
  }
  std::int64_t pixels = 0;
  if (const auto* raw = std::get_if<PixelImage>(&source)) {
    if (raw->at_network_size) {
      return {};
    }
    pixels = std::int64_t{raw->pixels.width} * raw->pixels.height;
  } else if (const auto* tensor = std::get_if<TensorImage>(&source)) {
    pixels = std::int64_t{tensor->width} * tensor->height;
  }
  return {.bytes = 0,
          .time = kTimePerPicture +
                  kTimePerRawPixel *
                      std::clamp(pixels, std::int64_t{0}, max_pixels)};
}

DecodeMemory::Lease DecodeMemory::Take(std::size_t bytes) {
  const MutexLock lock(mutex_);
  const std::uint64_t number = came_++;
  while (next_ != number || !HasRoom(bytes)) {
    changed_.Wait(mutex_);
  }
  ++next_;
  taken_ += bytes;
  // There may be room for the next one, too.
  changed_.NotifyAll();
  return Lease(*this, bytes);
}

void DecodeMemory::GiveBack(std::size_t bytes) {
  const MutexLock lock(mutex_);
  taken_ -= bytes;
  changed_.NotifyAll();
}

std::size_t DecodeMemory::taken() const {
  const MutexLock lock(mutex_);
  return taken_;
}

std::size_t DecodeMemory::waiting() const {
  const MutexLock lock(mutex_);
  return static_cast<std::size_t>(came_ - next_);
}

}  // namespace resnetd
