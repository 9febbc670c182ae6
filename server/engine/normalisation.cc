#include "server/engine/normalisation.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "server/image/pixels.h"
#include "server/image/preprocess.h"

namespace resnetd {

void WritePlanes(absl::Span<const float> planes, PictureLayout layout,
                 float* destination) {
  if (layout == PictureLayout::kPlanes) {
    std::copy(planes.begin(), planes.end(), destination);
    return;
  }
  const std::size_t pixels = planes.size() / 3;
  for (std::size_t i = 0; i < pixels; ++i) {
    destination[3 * i] = planes[i];
    destination[3 * i + 1] = planes[pixels + i];
    destination[3 * i + 2] = planes[2 * pixels + i];
  }
}

Normalisation::Normalisation(const PreprocessSpec& spec) {
  for (std::size_t c = 0; c < 3; ++c) {
    for (std::size_t v = 0; v < 256; ++v) {
      const float scaled = static_cast<float>(v) / 255.0F;
      const float centred = scaled - spec.mean[c];
      table_[c][v] = centred / spec.std[c];
    }
  }
}

void Normalisation::Write(const Pixels& picture, PictureLayout layout,
                          float* destination) const {
  const std::size_t pixels = picture.rgb.size() / 3;
  const std::uint8_t* rgb = picture.rgb.data();
  if (layout == PictureLayout::kInterleaved) {
    for (std::size_t i = 0; i < pixels; ++i) {
      destination[3 * i] = table_[0][rgb[3 * i]];
      destination[3 * i + 1] = table_[1][rgb[3 * i + 1]];
      destination[3 * i + 2] = table_[2][rgb[3 * i + 2]];
    }
    return;
  }
  for (std::size_t i = 0; i < pixels; ++i) {
    destination[i] = table_[0][rgb[3 * i]];
    destination[pixels + i] = table_[1][rgb[3 * i + 1]];
    destination[2 * pixels + i] = table_[2][rgb[3 * i + 2]];
  }
}

}  // namespace resnetd
