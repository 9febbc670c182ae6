#include "server/image/crop.h"

#include <gtest/gtest.h>

namespace resnetd {
namespace {

// Red is the column, green the row.
Pixels MakeGrid(int width, int height) {
  Pixels pixels = {.width = width, .height = height, .rgb = {}};
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      pixels.rgb.push_back(static_cast<std::uint8_t>(x));
      pixels.rgb.push_back(static_cast<std::uint8_t>(y));
      pixels.rgb.push_back(7);
    }
  }
  return pixels;
}

TEST(CutOutTest, TakesThePixelsOfTheBox) {
  const Pixels cut =
      CutOut(MakeGrid(10, 8), {.left = 3, .top = 2, .width = 4, .height = 5});
  ASSERT_EQ(cut.width, 4);
  ASSERT_EQ(cut.height, 5);
  ASSERT_EQ(cut.rgb.size(), 60U);
  for (std::size_t y = 0; y < 5; ++y) {
    for (std::size_t x = 0; x < 4; ++x) {
      EXPECT_EQ(cut.rgb[(y * 4 + x) * 3], x + 3);
      EXPECT_EQ(cut.rgb[(y * 4 + x) * 3 + 1], y + 2);
      EXPECT_EQ(cut.rgb[(y * 4 + x) * 3 + 2], 7);
    }
  }
}

TEST(CutOutTest, TakesTheWholeAndTheLastPixel) {
  const Pixels grid = MakeGrid(3, 2);
  EXPECT_EQ(CutOut(grid, {.left = 0, .top = 0, .width = 3, .height = 2}).rgb,
            grid.rgb);
  const std::vector<std::uint8_t> last = {2, 1, 7};
  EXPECT_EQ(CutOut(grid, {.left = 2, .top = 1, .width = 1, .height = 1}).rgb,
            last);
}

}  // namespace
}  // namespace resnetd
