#include "server/image/preprocess.h"

#include <cmath>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/image/crop.h"
#include "server/image/resample.h"
#include "server/image/resample_kernels.h"
#include "server/image/resample_taps.h"
#include "server/image/resize_geometry.h"

namespace resnetd {
namespace {

constexpr int kLargestSide = 4096;
constexpr int kSmallestCrop = 8;

absl::Status Invalid(absl::string_view field, absl::string_view text) {
  return Error(absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
               absl::StrCat("preprocessing: ", field, " ", text))
      .Violation(field, text);
}

}  // namespace

absl::Status Validate(const PreprocessSpec& spec) {
  if (spec.crop < kSmallestCrop || spec.crop > kLargestSide) {
    return Invalid("crop", absl::StrCat("is ", spec.crop, ", it must be ",
                                        kSmallestCrop, " to ", kLargestSide));
  }
  if (spec.resize < spec.crop || spec.resize > kLargestSide) {
    return Invalid("resize",
                   absl::StrCat("is ", spec.resize, ", it must be crop (",
                                spec.crop, ") to ", kLargestSide));
  }
  for (std::size_t c = 0; c < spec.mean.size(); ++c) {
    if (!std::isfinite(spec.mean[c])) {
      return Invalid(absl::StrCat("mean[", c, "]"), "is not a finite number");
    }
    if (!std::isfinite(spec.std[c]) || spec.std[c] <= 0.0F) {
      return Invalid(absl::StrCat("std[", c, "]"),
                     "is not a finite number above 0");
    }
  }
  return absl::OkStatus();
}

Pixels ResizeAndCrop(const Pixels& pixels, const PreprocessSpec& spec) {
  return ResizeAndCrop(pixels, spec, BestKernels());
}

Pixels ResizeAndCrop(const Pixels& pixels, const PreprocessSpec& spec,
                     const ResampleKernels& kernels) {
  const ResizeGeometry geometry =
      ComputeGeometry(pixels.width, pixels.height, spec.resize, spec.crop);
  if (geometry.width == pixels.width && geometry.height == pixels.height) {
    return CutOut(pixels, {.left = static_cast<int>(geometry.left),
                           .top = static_cast<int>(geometry.top),
                           .width = spec.crop,
                           .height = spec.crop});
  }
  const ResampleTaps columns =
      ComputeTaps(pixels.width, geometry.width, geometry.left, spec.crop);
  const ResampleTaps rows =
      ComputeTaps(pixels.height, geometry.height, geometry.top, spec.crop);
  return Resample(pixels, columns, rows, kernels);
}

}  // namespace resnetd
