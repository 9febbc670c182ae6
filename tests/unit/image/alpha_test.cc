#include "server/image/alpha.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace resnetd {
namespace {

TEST(AlphaTest, RoundsEveryPairOfValueAndAlphaToNearest) {
  for (int value = 0; value < 256; ++value) {
    for (int alpha = 0; alpha < 256; ++alpha) {
      const auto v = static_cast<std::uint8_t>(value);
      const std::array<std::uint8_t, 4> rgba = {
          v, 0, 255, static_cast<std::uint8_t>(alpha)};
      std::array<std::uint8_t, 3> rgb = {};
      CompositeOnWhite(rgba.data(), 1, rgb.data());
      // Never a tie: 255 is odd. So whole numbers are exact here.
      const int exact2 = 2 * (value * alpha + 255 * (255 - alpha));
      ASSERT_EQ(rgb[0], (exact2 + 255) / 510) << value << " at " << alpha;
      ASSERT_EQ(rgb[1], 255 - alpha);
      ASSERT_EQ(rgb[2], 255);
    }
  }
}

TEST(AlphaTest, WorksInPlace) {
  std::vector<std::uint8_t> bytes = {1, 2, 3, 255, 9, 9, 9, 0, 7, 8, 9, 255};
  CompositeOnWhite(bytes.data(), 3, bytes.data());
  bytes.resize(9);
  EXPECT_EQ(bytes,
            (std::vector<std::uint8_t>{1, 2, 3, 255, 255, 255, 7, 8, 9}));
}

}  // namespace
}  // namespace resnetd
