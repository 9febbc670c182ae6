#include "server/serving/tensor_image.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "server/base/error.h"
#include "server/models/float_conversion.h"

namespace resnetd {
namespace {

constexpr std::size_t kChannels = 3;

absl::Status Invalid(absl::string_view text) {
  return Error(absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
               text);
}

absl::Status CheckValues(absl::Span<const float> values, int side) {
  // False for NaN as well.
  const auto* const bad = std::find_if_not(
      values.begin(), values.end(),
      [](float value) { return std::fabs(value) <= kLargestTensorValue; });
  if (bad == values.end()) {
    return absl::OkStatus();
  }
  const auto index = static_cast<std::size_t>(bad - values.begin());
  const std::size_t row = static_cast<std::size_t>(side);
  const std::size_t plane = row * row;
  return Invalid(absl::StrCat(
      "the value of channel ", index / plane, ", row ", index % plane / row,
      ", column ", index % row, " is ", *bad,
      std::isfinite(*bad)
          ? absl::StrCat(", further from 0 than ", kLargestTensorValue)
          : std::string(", not a finite number"),
      ": normalise the picture as the model's preprocessing says"));
}

}  // namespace

absl::StatusOr<std::vector<float>> NormalisedValues(const TensorImage& image,
                                                    int crop) {
  if (image.height != crop || image.width != crop) {
    return Invalid(absl::StrCat("the tensor has 3x", image.height, "x",
                                image.width, " values, the network takes 3x",
                                crop, "x", crop));
  }
  const std::size_t side = static_cast<std::size_t>(crop);
  const std::size_t count = kChannels * side * side;
  if (image.bytes.size() != count * DTypeBytes(image.type)) {
    return Invalid(absl::StrCat("the tensor has ", image.bytes.size(),
                                " bytes, 3x", crop, "x", crop, " values of ",
                                DTypeBytes(image.type), " bytes need ",
                                count * DTypeBytes(image.type)));
  }
  std::vector<float> values(count);
  ConvertToFloat({.name = "",
                  .dtype = image.type,
                  .shape = {3, crop, crop},
                  .bytes = image.bytes},
                 absl::MakeSpan(values));
  if (absl::Status status = CheckValues(values, crop); !status.ok()) {
    return status;
  }
  return values;
}

std::size_t NormalisedBytes(const TensorImage& image) {
  return image.bytes.size() / DTypeBytes(image.type) * sizeof(float);
}

}  // namespace resnetd
