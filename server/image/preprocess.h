#pragma once

#include <array>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/image/pixels.h"

namespace resnetd {

// From picture to network input, equal to torchvision's
// Resize(resize) + CenterCrop(crop) + ToTensor + Normalize(mean, std).
// The defaults are those of ImageNet.
struct PreprocessSpec {
  // Short side after resizing, in pixels; crop <= resize <= 4096.
  int resize = 256;
  // Side of the square cut from the middle; 8 to 4096.
  int crop = 224;
  // Per channel R, G, B, of values scaled to 0..1.
  std::array<float, 3> mean = {0.485F, 0.456F, 0.406F};
  std::array<float, 3> std = {0.229F, 0.224F, 0.225F};

  friend bool operator==(const PreprocessSpec&,
                         const PreprocessSpec&) = default;
};

// INVALID_ARGUMENT (REQUEST_INVALID) when a value is out of its range, not
// finite, or a std is not positive.
absl::Status Validate(const PreprocessSpec& spec);

// Resizes the short side to spec.resize with Pillow's antialiased bilinear
// filter, bit for bit, and cuts the middle square of spec.crop. Only the pixels
// inside the cut are computed, so memory is bounded by crop, not by the long
// side. Normalisation is left to the network.
//
// Thread-safe. Precondition: `pixels` is not empty and `spec` is valid.
Pixels ResizeAndCrop(const Pixels& pixels, const PreprocessSpec& spec);

}  // namespace resnetd
