#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "server/image/image_decoder.h"
#include "server/image/pixels.h"
#include "server/store/dataset_catalog.h"

namespace resnetd {

// Fills what an ExampleRow says of its picture: digest, bytes, sides, grey and
// the sums per channel. Decodes strictly, the whole picture.
// INVALID_ARGUMENT: the picture is not in order, see RejectionCode();
// RESOURCE_EXHAUSTED (OVERLOADED): no memory for it now. Thread-safe.
absl::Status ReadPictureFacts(absl::Span<const std::uint8_t> encoded,
                              const DecodeLimits& limits, ExampleRow& row);

// Of decoded pixels alone. Precondition: at least one pixel.
void MeasurePixels(const Pixels& pixels, ExampleRow& row);

// The code of a rejected example for an error of DecodeImage(): its cause, but
// DECODE_FAILED for a damaged one and TOO_LARGE for one over a limit; empty for
// an error that does not lie in the picture.
std::string RejectionCode(const absl::Status& error);

}  // namespace resnetd
