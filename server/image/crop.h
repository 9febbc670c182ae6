#pragma once

#include "server/image/pixels.h"

namespace resnetd {

// A rectangle of a picture, in pixels.
struct CropBox {
  int left = 0;
  int top = 0;
  int width = 0;
  int height = 0;

  friend bool operator==(const CropBox&, const CropBox&) = default;
};

// That part of the picture. Precondition: the box is not empty and lies within
// the picture.
Pixels CutOut(const Pixels& pixels, const CropBox& box);

}  // namespace resnetd
