#pragma once

#include <cstddef>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "resnetd/v1/classification_service.pb.h"
#include "server/image/pixels.h"
#include "server/rpc/request_limits.h"

namespace resnetd {

// Whether `value`, the side called `name` of the image at the path `image`, is
// 1 to `limit`. INVALID_ARGUMENT otherwise, LIMIT_EXCEEDED above it.
absl::Status CheckSide(absl::string_view image, absl::string_view name,
                       int value, int limit);

// The pixels of a raw image as RGB.
// INVALID_ARGUMENT (REQUEST_INVALID: format, sides below 1, size of the data;
// LIMIT_EXCEEDED: a side or the number of pixels). Violations name what is in
// `field`, the path of the image: "images[3].raw.height".
absl::StatusOr<Pixels> ToPixels(const v1::RawImage& raw,
                                absl::string_view field,
                                const RequestLimits& limits);

// Memory that ToPixels will take; 0 for an image it refuses for its size.
std::size_t PixelBytesOf(const v1::RawImage& raw);

}  // namespace resnetd
