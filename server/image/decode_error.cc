#include "server/image/decode_error.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"

namespace resnetd {

absl::Status DecodeError(DecodeCause cause, absl::string_view text) {
  return Error(absl::StatusCode::kInvalidArgument, Reason::kImageDecodeFailed,
               text)
      .Metadata("cause", DecodeCauseName(cause));
}

absl::Status OutOfMemoryError() {
  return Error(absl::StatusCode::kResourceExhausted, Reason::kOverloaded,
               "not enough memory to decode the image now; retry later or send "
               "a smaller one");
}

absl::Status LimitError(absl::string_view limit_name, std::int64_t limit,
                        std::int64_t value, absl::string_view text) {
  return Error(absl::StatusCode::kInvalidArgument, Reason::kLimitExceeded, text)
      .Metadata("limit_name", limit_name)
      .Metadata("limit", absl::StrCat(limit))
      .Metadata("value", absl::StrCat(value));
}

absl::Status CheckDimensions(std::int64_t width, std::int64_t height,
                             const DecodeLimits& limits) {
  if (width <= 0 || height <= 0) {
    return DecodeError(
        DecodeCause::kCorrupt,
        absl::StrCat("image size ", width, "x", height, " is not a size"));
  }
  if (std::max(width, height) > limits.max_side) {
    return LimitError(
        "max-image-side", limits.max_side, std::max(width, height),
        absl::StrCat("image is ", width, "x", height, " pixels, at most ",
                     limits.max_side,
                     " pixels a side are accepted; scale it down"));
  }
  if (width * height > limits.max_pixels) {
    return LimitError(
        "max-image-pixels", limits.max_pixels, width * height,
        absl::StrCat("image is ", width, "x", height, " = ", width * height,
                     " pixels, at most ", limits.max_pixels,
                     " are accepted; scale it down"));
  }
  return absl::OkStatus();
}

}  // namespace resnetd
