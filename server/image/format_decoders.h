#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/image/image_decoder.h"
#include "server/image/pixels.h"

namespace resnetd {

// A picture as it is stored, and how it has to be turned.
struct StoredPicture {
  Pixels pixels;
  // EXIF orientation, 1 to 8.
  int orientation = 1;
};

// A picture of that size with room for its pixels. May throw std::bad_alloc.
StoredPicture MakeStoredPicture(int width, int height, int orientation);

// One decoder per format. Each expects that `encoded` begins with the magic
// bytes of its format, checks `limits` before it allocates for pixels, and
// fails as DecodeImage does. They may throw std::bad_alloc.
absl::StatusOr<StoredPicture> DecodeJpeg(absl::Span<const std::uint8_t> encoded,
                                         const DecodeLimits& limits);
absl::StatusOr<StoredPicture> DecodePng(absl::Span<const std::uint8_t> encoded,
                                        const DecodeLimits& limits);
absl::StatusOr<StoredPicture> DecodeWebp(absl::Span<const std::uint8_t> encoded,
                                         const DecodeLimits& limits);

}  // namespace resnetd
