#include "server/image/resize_geometry.h"

#include <algorithm>

namespace resnetd {
namespace {

std::int64_t LongSide(int resize, int long_side, int short_side) {
  // The product is exact, the quotient rounded once: as Python computes it.
  return static_cast<std::int64_t>(
      static_cast<double>(std::int64_t{resize} * long_side) /
      static_cast<double>(short_side));
}

// round((size - crop) / 2.0) of Python 3: half to even.
std::int64_t Margin(std::int64_t size, int crop) {
  const std::int64_t twice = size - crop;
  const std::int64_t down = twice / 2;
  return twice % 2 == 0 || down % 2 == 0 ? down : down + 1;
}

}  // namespace

ResizeGeometry ComputeGeometry(int width, int height, int resize, int crop) {
  ResizeGeometry geometry;
  if (width <= height) {
    geometry.width = resize;
    geometry.height = LongSide(resize, height, width);
  } else {
    geometry.width = LongSide(resize, width, height);
    geometry.height = resize;
  }
  geometry.left = Margin(geometry.width, crop);
  geometry.top = Margin(geometry.height, crop);
  return geometry;
}

}  // namespace resnetd
