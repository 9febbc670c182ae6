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

std::optional<std::size_t> DecodeMemory::RoomBeside(std::size_t awaited) const {
  switch (passing_) {
    case Passing::kNobody:
      return std::nullopt;
    case Passing::kEverybody:
      return Free();
    case Passing::kBeside:
      break;
  }
  const std::size_t beside = max_bytes_ - std::min(awaited, max_bytes_);
  return std::min(Free(), beside - std::min(passed_, beside));
}

DecodeLease DecodeMemory::Take(std::size_t bytes, bool passes) {
  taken_ += bytes;
  passed_ += passes ? bytes : 0;
  return {.bytes = bytes, .has_passed = passes};
}

void DecodeMemory::GiveBack(const DecodeLease& lease) {
  taken_ -= lease.bytes;
  passed_ -= lease.has_passed ? lease.bytes : 0;
}

}  // namespace resnetd
