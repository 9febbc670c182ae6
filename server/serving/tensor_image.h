#pragma once

#include <cstddef>
#include <vector>

#include "absl/status/statusor.h"
#include "server/serving/classify_types.h"

namespace resnetd {

// Values of a tensor are at most this far from zero: the largest number of
// FP16, four orders of magnitude above what normalisation makes of a picture,
// and far from where a sound network overflows.
inline constexpr float kLargestTensorValue = 65'504.0F;

// The values of `image` as float32, in their order.
// INVALID_ARGUMENT (REQUEST_INVALID): it is not crop x crop, the bytes do not
// have its size, or a value is NaN, infinite or beyond kLargestTensorValue. No
// memory is taken before the size is right.
absl::StatusOr<std::vector<float>> NormalisedValues(const TensorImage& image,
                                                    int crop);

// Memory that NormalisedValues will take at most.
std::size_t NormalisedBytes(const TensorImage& image);

}  // namespace resnetd
