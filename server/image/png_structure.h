#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/image/image_decoder.h"

namespace resnetd {

// What the chunks of a PNG say.
struct PngStructure {
  int width = 0;
  int height = 0;
  bool interlaced = false;
  // Whether pixels are indexes into a palette.
  bool has_palette = false;
  // By its colour type or by a tRNS chunk.
  bool has_alpha = false;
  // From the signature to IEND; what follows is no part of the picture.
  std::size_t size = 0;
  // Body of the eXIf chunk, empty when there is none.
  absl::Span<const std::uint8_t> exif;
};

// Walks all chunks of a PNG, allocating nothing, and verifies the checksum of
// each, also of those that are not needed. Checks `limits` as soon as the
// header is seen.
//
// TRUNCATED, CORRUPT, ANIMATED, UNSUPPORTED_FEATURE (a critical chunk unknown
// to the standard) or LIMIT_EXCEEDED as in DecodeImage. Precondition: `encoded`
// begins with the signature of PNG.
absl::StatusOr<PngStructure> ReadPngStructure(
    absl::Span<const std::uint8_t> encoded, const DecodeLimits& limits);

}  // namespace resnetd
