#pragma once

#include <cstdint>

#include "absl/types/span.h"

namespace resnetd {

// The orientation (1 to 8) that an EXIF block states in its first directory; 1
// when it states none or is malformed, because a bad camera tag does not make
// the picture bad. `exif` is the TIFF structure, optionally after "Exif\0\0".
// Reads only inside `exif`; follows at most one offset.
int ReadOrientation(absl::Span<const std::uint8_t> exif);

}  // namespace resnetd
