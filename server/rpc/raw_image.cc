#include "server/rpc/raw_image.h"

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/base/error.h"
#include "server/base/status_macros.h"
#include "server/rpc/call_record.h"

namespace resnetd {
namespace {

constexpr std::int64_t kRgbChannels = 3;

absl::Status OverLimit(absl::string_view field, absl::string_view flag,
                       std::int64_t limit, std::int64_t value,
                       absl::string_view text) {
  return Error(absl::StatusCode::kInvalidArgument, Reason::kLimitExceeded, text)
      .Violation(field, text)
      .Metadata("limit_name", flag)
      .Metadata("limit", absl::StrCat(limit))
      .Metadata("value", absl::StrCat(value));
}

// Bytes of a pixel; 0 for a format that is not known.
std::int64_t ChannelsOf(int format) {
  switch (format) {
    case v1::RawImage::FORMAT_RGB8:
    case v1::RawImage::FORMAT_BGR8:
      return kRgbChannels;
    case v1::RawImage::FORMAT_GRAY8:
      return 1;
    default:
      return 0;
  }
}

// Both sides are ints: neither product below can leave 64 bits.
std::int64_t PixelCount(const v1::RawImage& raw) {
  return std::int64_t{raw.width()} * raw.height();
}

absl::Status CheckSize(const v1::RawImage& raw, absl::string_view field,
                       const RequestLimits& limits) {
  RETURN_IF_ERROR(CheckSide(field, "height", raw.height(), limits.max_side));
  RETURN_IF_ERROR(CheckSide(field, "width", raw.width(), limits.max_side));
  const std::int64_t pixels = PixelCount(raw);
  if (pixels > limits.max_pixels) {
    return OverLimit(field, "max-image-pixels", limits.max_pixels, pixels,
                     absl::StrCat(raw.width(), "x", raw.height(), " is ",
                                  pixels, " pixels, more than the limit of ",
                                  limits.max_pixels, " (--max-image-pixels)"));
  }
  const std::int64_t channels = ChannelsOf(raw.format());
  if (channels == 0) {
    return BadPart(absl::StrCat(field, ".format"),
                   absl::StrCat("format ", static_cast<int>(raw.format()),
                                " is not FORMAT_RGB8, FORMAT_BGR8 or "
                                "FORMAT_GRAY8"));
  }
  const auto bytes = static_cast<std::int64_t>(raw.data().size());
  if (bytes != pixels * channels) {
    return BadPart(absl::StrCat(field, ".data"),
                   absl::StrCat("data has ", bytes, " bytes, ", raw.width(),
                                "x", raw.height(), " with ", channels,
                                channels == 1 ? " channel" : " channels",
                                " needs ", pixels * channels));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckSide(absl::string_view image, absl::string_view name,
                       int value, int limit) {
  const std::string field = absl::StrCat(image, ".", name);
  if (value < 1) {
    return BadPart(field,
                   absl::StrCat(name, " ", value, " is not 1 to ", limit));
  }
  if (value > limit) {
    return OverLimit(field, "max-image-side", limit, value,
                     absl::StrCat(name, " ", value, " exceeds the limit of ",
                                  limit, " pixels (--max-image-side)"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Pixels> ToPixels(const v1::RawImage& raw,
                                absl::string_view field,
                                const RequestLimits& limits) {
  RETURN_IF_ERROR(CheckSize(raw, field, limits));
  Pixels pixels{.width = raw.width(), .height = raw.height(), .rgb = {}};
  const auto* data = reinterpret_cast<const std::uint8_t*>(raw.data().data());
  const std::size_t size = raw.data().size();
  if (raw.format() == v1::RawImage::FORMAT_RGB8) {
    pixels.rgb.assign(data, data + size);
    return pixels;
  }
  pixels.rgb.resize(static_cast<std::size_t>(PixelCount(raw) * kRgbChannels));
  std::uint8_t* out = pixels.rgb.data();
  if (raw.format() == v1::RawImage::FORMAT_GRAY8) {
    for (std::size_t i = 0; i < size; ++i) {
      out[3 * i] = out[3 * i + 1] = out[3 * i + 2] = data[i];
    }
    return pixels;
  }
  for (std::size_t i = 0; i < size; i += 3) {
    out[i] = data[i + 2];
    out[i + 1] = data[i + 1];
    out[i + 2] = data[i];
  }
  return pixels;
}

std::size_t PixelBytesOf(const v1::RawImage& raw) {
  if (raw.width() < 1 || raw.height() < 1) {
    return 0;
  }
  // A picture whose data does not match its sides is refused unread.
  const std::int64_t pixels = PixelCount(raw);
  const auto bytes = static_cast<std::int64_t>(raw.data().size());
  // Compared first: the product of two sides of 2^31 has no room for channels.
  if (pixels > bytes || (pixels != bytes && pixels * kRgbChannels != bytes)) {
    return 0;
  }
  return static_cast<std::size_t>(pixels * kRgbChannels);
}

}  // namespace resnetd
