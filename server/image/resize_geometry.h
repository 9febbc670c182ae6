#pragma once

#include <cstdint>

#include "server/image/pixels.h"
#include "server/image/preprocess.h"
#include "server/image/resample_kernels.h"

namespace resnetd {

// Size of the resized picture, and where the square is cut from it.
struct ResizeGeometry {
  std::int64_t width = 0;
  std::int64_t height = 0;
  std::int64_t left = 0;
  std::int64_t top = 0;
};

// torchvision's Resize(resize) and CenterCrop(crop): the short side becomes
// `resize`, the long one resize * long / short, cut to an integer; the margins
// are halved and rounded half to even.
ResizeGeometry ComputeGeometry(int width, int height, int resize, int crop);

// ResizeAndCrop() with given kernels: tests compare them.
Pixels ResizeAndCrop(const Pixels& pixels, const PreprocessSpec& spec,
                     const ResampleKernels& kernels);

}  // namespace resnetd
