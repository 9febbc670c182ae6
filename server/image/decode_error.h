#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/image/image_decoder.h"

namespace resnetd {

// INVALID_ARGUMENT, reason IMAGE_DECODE_FAILED, metadata "cause". `text` says
// what is wrong in our own words.
absl::Status DecodeError(DecodeCause cause, absl::string_view text);

// RESOURCE_EXHAUSTED, reason OVERLOADED: no memory for a picture that is within
// the limits.
absl::Status OutOfMemoryError();

// INVALID_ARGUMENT, reason LIMIT_EXCEEDED, metadata "limit_name" (the flag that
// sets it), "limit" and "value".
absl::Status LimitError(absl::string_view limit_name, std::int64_t limit,
                        std::int64_t value, absl::string_view text);

// Whether a picture of this size may be decoded: CORRUPT when a side is 0,
// LimitError when a side or the area is over its limit.
absl::Status CheckDimensions(std::int64_t width, std::int64_t height,
                             const DecodeLimits& limits);

}  // namespace resnetd
