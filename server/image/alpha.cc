#include "server/image/alpha.h"

namespace resnetd {
namespace {

std::uint8_t OverWhite(std::uint32_t channel, std::uint32_t alpha) {
  // x / 255 rounded to nearest; exact for every x up to 255 * 255.
  const std::uint32_t x = channel * alpha + 255U * (255U - alpha) + 128U;
  return static_cast<std::uint8_t>((x + (x >> 8U)) >> 8U);
}

}  // namespace

void CompositeOnWhite(const std::uint8_t* rgba, std::size_t pixels,
                      std::uint8_t* rgb) {
  for (std::size_t i = 0; i < pixels; ++i) {
    const std::uint32_t alpha = rgba[4 * i + 3];
    const std::uint8_t red = OverWhite(rgba[4 * i], alpha);
    const std::uint8_t green = OverWhite(rgba[4 * i + 1], alpha);
    const std::uint8_t blue = OverWhite(rgba[4 * i + 2], alpha);
    rgb[3 * i] = red;
    rgb[3 * i + 1] = green;
    rgb[3 * i + 2] = blue;
  }
}

}  // namespace resnetd
