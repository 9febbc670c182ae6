#pragma once

#include <cstddef>
#include <cstdint>

namespace resnetd {

// Lays `pixels` RGBA pixels (alpha not multiplied in) over white: each channel
// becomes (c * a + 255 * (255 - a)) / 255, rounded to nearest. `rgb` may be the
// same memory as `rgba`.
void CompositeOnWhite(const std::uint8_t* rgba, std::size_t pixels,
                      std::uint8_t* rgb);

}  // namespace resnetd
