#pragma once

#include <cstdint>

#include "absl/types/span.h"

namespace resnetd {

// Pixels that the first headers of a JPEG, PNG or WebP announce; what comes
// behind them is not looked at, nor whether it is true: DecodeImage() does
// that. For plans only, before there is a decoder.
//
// 0: no header of those formats says it. Allocates nothing; some hundred steps
// at most. Thread-safe.
std::int64_t AnnouncedPixels(absl::Span<const std::uint8_t> encoded);

}  // namespace resnetd
