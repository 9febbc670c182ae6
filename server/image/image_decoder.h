#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "server/image/pixels.h"

namespace resnetd {

// What a picture may cost. Checked on the header, before anything is
// allocated for its pixels.
struct DecodeLimits {
  std::size_t max_encoded_bytes = 20U << 20U;
  std::int64_t max_pixels = 50'000'000;
  int max_side = 16'384;
  // Each scan of a progressive JPEG costs a pass over the whole picture.
  int max_progressive_scans = 64;
};

// Why a picture cannot be decoded: metadata "cause" of IMAGE_DECODE_FAILED.
enum class DecodeCause {
  kEmpty,               // no bytes
  kUnsupportedFormat,   // not a JPEG, PNG or WebP by its first bytes
  kUnsupportedFeature,  // one of them, but e.g. 12 bits or lossless JPEG
  kTruncated,           // ends too early
  kCorrupt,             // damaged
  kAnimated,            // more than one frame
};

// E.g. "UNSUPPORTED_FORMAT".
absl::string_view DecodeCauseName(DecodeCause cause);

// Decodes a whole JPEG, PNG or WebP file to RGB; the format is taken from its
// first bytes alone. Strict: any damage, also one the libraries only warn
// about, is an error. EXIF orientation 1-8 is applied; alpha is composited on
// white; grey is repeated; 16 bit is reduced to 8; CMYK and YCCK are converted
// as R = 255 - min(255, C + K) would be of ink values.
//
// Thread-safe. Cost: proportional to the pixels; holds at most about 2
// pictures. INVALID_ARGUMENT with reason IMAGE_DECODE_FAILED and metadata
// "cause", or with reason LIMIT_EXCEEDED and metadata "limit_name", "limit",
// "value".
absl::StatusOr<Pixels> DecodeImage(absl::Span<const std::uint8_t> encoded,
                                   const DecodeLimits& limits);

}  // namespace resnetd
