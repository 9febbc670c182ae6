#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace resnetd {

// An owned picture: 8-bit RGB, interleaved, rows from top to bottom without
// padding. rgb.size() == width * height * 3.
struct Pixels {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> rgb;
};

}  // namespace resnetd
