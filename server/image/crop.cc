#include "server/image/crop.h"

#include <cstddef>
#include <cstring>

namespace resnetd {

Pixels CutOut(const Pixels& pixels, const CropBox& box) {
  const auto row_bytes = static_cast<std::size_t>(box.width) * 3;
  Pixels cut = {.width = box.width, .height = box.height, .rgb = {}};
  cut.rgb.resize(row_bytes * static_cast<std::size_t>(box.height));
  for (int y = 0; y < box.height; ++y) {
    const std::size_t from = static_cast<std::size_t>(box.top + y) *
                                 static_cast<std::size_t>(pixels.width) +
                             static_cast<std::size_t>(box.left);
    std::memcpy(&cut.rgb[static_cast<std::size_t>(y) * row_bytes],
                &pixels.rgb[from * 3], row_bytes);
  }
  return cut;
}

}  // namespace resnetd
