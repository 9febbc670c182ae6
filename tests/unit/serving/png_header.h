#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace resnetd {

// A PNG of that size, as far as its header.
inline std::vector<std::uint8_t> PngHeader(std::uint32_t width,
                                           std::uint32_t height) {
  std::string header("\x89PNG\r\n\x1A\n\0\0\0\rIHDR", 16);
  for (const std::uint32_t side : {width, height}) {
    for (const unsigned shift : {24U, 16U, 8U, 0U}) {
      header.push_back(static_cast<char>(side >> shift));
    }
  }
  return {header.begin(), header.end()};
}

}  // namespace resnetd
