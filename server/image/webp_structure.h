#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/image/image_decoder.h"

namespace resnetd {

// What the chunks of a WebP say.
struct WebpStructure {
  // From the first byte of RIFF to its end; what follows is no part of the
  // picture.
  std::size_t size = 0;
  // Where the chunk with the picture ends, without its padding.
  std::size_t picture_end = 0;
  // Body of the EXIF chunk, empty when there is none.
  absl::Span<const std::uint8_t> exif;
};

// Walks all chunks of a WebP, allocating nothing.
//
// TRUNCATED, CORRUPT or ANIMATED as in DecodeImage.
// Precondition: `encoded` begins with "RIFF????WEBP".
absl::StatusOr<WebpStructure> ReadWebpStructure(
    absl::Span<const std::uint8_t> encoded);

}  // namespace resnetd
