#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/image/image_decoder.h"

namespace resnetd {

// What the markers of a JPEG say.
struct JpegStructure {
  int width = 0;
  int height = 0;
  // 1 grey, 3 YCbCr or RGB, 4 CMYK or YCCK.
  int components = 0;
  bool progressive = false;
  int scans = 0;
  // From SOI to EOI; what follows is no part of the picture.
  std::size_t size = 0;
  // The TIFF block of the first EXIF segment, empty when there is none.
  absl::Span<const std::uint8_t> exif;
};

// Walks all markers of a JPEG, allocating nothing. Checks `limits` as soon as
// the frame header is seen, and while it counts scans. Finds what libjpeg lets
// pass: a missing end, scans or coefficients that never come, tables that are
// used before they are defined.
//
// TRUNCATED, CORRUPT, UNSUPPORTED_FEATURE, or LIMIT_EXCEEDED as in DecodeImage.
// Precondition: `encoded` begins with SOI.
absl::StatusOr<JpegStructure> ReadJpegStructure(
    absl::Span<const std::uint8_t> encoded, const DecodeLimits& limits);

}  // namespace resnetd
