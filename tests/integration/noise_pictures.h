#pragma once

#include <cstddef>
#include <string>

#include "resnetd/v1/classification_service.pb.h"

namespace resnetd {

// Pictures as large as the demo model takes them.
inline constexpr int kNoiseSide = 32;
inline constexpr std::size_t kNoisePixels =
    std::size_t{kNoiseSide} * kNoiseSide;

// The RGB of a picture, another one for each seed.
inline std::string NoiseRgb(int seed) {
  std::string rgb(kNoisePixels * 3, '\0');
  unsigned state = 12'345U + static_cast<unsigned>(seed);
  for (char& value : rgb) {
    state = state * 1'664'525U + 1'013'904'223U;
    value = static_cast<char>(state >> 24U);
  }
  return rgb;
}

// That picture as it travels.
inline v1::Image RawImageOf(const std::string& rgb) {
  v1::Image image;
  image.mutable_raw()->set_data(rgb);
  image.mutable_raw()->set_width(kNoiseSide);
  image.mutable_raw()->set_height(kNoiseSide);
  image.mutable_raw()->set_format(v1::RawImage::FORMAT_RGB8);
  image.mutable_raw()->set_at_network_size(true);
  return image;
}

}  // namespace resnetd
