#include "server/image/announced_size.h"

#include <cstddef>
#include <optional>

#include "absl/strings/string_view.h"
#include "server/image/byte_order.h"
#include "server/image/image_format.h"

namespace resnetd {
namespace {

using Bytes = absl::Span<const std::uint8_t>;

// A photo with 20 MiB of metadata, all that it may have, has 320.
constexpr int kMostSegments = 512;

bool HasText(Bytes bytes, std::size_t at, absl::string_view text) {
  return bytes.size() >= at + text.size() &&
         absl::string_view(reinterpret_cast<const char*>(bytes.data()) + at,
                           text.size()) == text;
}

std::int64_t Area(std::uint32_t width, std::uint32_t height) {
  // What a PNG may say, and more than any other.
  constexpr std::uint32_t kMostSide = 0x7FFF'FFFFU;
  return width > kMostSide || height > kMostSide
             ? 0
             : std::int64_t{width} * std::int64_t{height};
}

std::int64_t OfPng(Bytes png) {
  return HasText(png, 12, "IHDR") && png.size() >= 24
             ? Area(LoadBig32(&png[16]), LoadBig32(&png[20]))
             : 0;
}

std::int64_t OfWebp(Bytes webp) {
  if (HasText(webp, 12, "VP8X") && webp.size() >= 30) {
    return Area(LoadLittle24(&webp[24]) + 1, LoadLittle24(&webp[27]) + 1);
  }
  if (HasText(webp, 12, "VP8L") && webp.size() >= 25) {
    const std::uint32_t bits = LoadLittle32(&webp[21]);
    return Area((bits & 0x3FFFU) + 1, ((bits >> 14U) & 0x3FFFU) + 1);
  }
  if (HasText(webp, 12, "VP8 ") && webp.size() >= 30) {
    return Area(LoadLittle16(&webp[26]) & 0x3FFFU,
                LoadLittle16(&webp[28]) & 0x3FFFU);
  }
  return 0;
}

// Whether a marker begins a frame header: C0 to CF, but for tables (C4),
// arithmetic conditioning (CC) and a reserved one (C8).
bool IsFrame(std::uint8_t marker) {
  return marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 &&
         marker != 0xCC;
}

std::int64_t OfJpeg(Bytes jpeg) {
  std::size_t at = 2;
  for (int segment = 0; segment < kMostSegments; ++segment) {
    while (at + 1 < jpeg.size() && jpeg[at] == 0xFF && jpeg[at + 1] == 0xFF) {
      ++at;  // Any number of fill bytes may stand before a marker.
    }
    // FF, marker, length, and of a frame: bits, height, width.
    if (jpeg.size() < at + 9 || jpeg[at] != 0xFF) {
      return 0;
    }
    if (IsFrame(jpeg[at + 1])) {
      return Area(LoadBig16(&jpeg[at + 7]), LoadBig16(&jpeg[at + 5]));
    }
    at += 2 + LoadBig16(&jpeg[at + 2]);
  }
  return 0;
}

}  // namespace

std::int64_t AnnouncedPixels(Bytes encoded) {
  const std::optional<FoundFormat> found = FindFormat(encoded);
  if (!found || !found->is_whole) {
    return 0;
  }
  switch (found->format) {
    case ImageFormat::kJpeg:
      return OfJpeg(encoded);
    case ImageFormat::kPng:
      return OfPng(encoded);
    case ImageFormat::kWebp:
      return OfWebp(encoded);
  }
  return 0;
}

}  // namespace resnetd
