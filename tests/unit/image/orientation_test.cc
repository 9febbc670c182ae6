#include "server/image/orientation.h"

#include <gtest/gtest.h>

#include <utility>

#include "tests/unit/image/picture_factory.h"

namespace resnetd {
namespace {

using Place = std::pair<int, int>;

// Where pixel (x, y) of the upright picture lies in the stored one of
// width x height, from EXIF's definition: which side of the scene the stored
// row 0 and column 0 are.
Place StoredPlace(int orientation, int x, int y, int width, int height) {
  switch (orientation) {
    case 2:  // row 0 top, column 0 right
      return {width - 1 - x, y};
    case 3:  // bottom, right
      return {width - 1 - x, height - 1 - y};
    case 4:  // bottom, left
      return {x, height - 1 - y};
    case 5:  // row 0 left, column 0 top
      return {y, x};
    case 6:  // right, top
      return {y, height - 1 - x};
    case 7:  // right, bottom
      return {width - 1 - y, height - 1 - x};
    case 8:  // left, bottom
      return {width - 1 - y, x};
    default:  // top, left
      return {x, y};
  }
}

TEST(OrientationTest, MovesEveryPixelWhereExifSays) {
  const std::pair<int, int> sizes[] = {{1, 1}, {5, 3}, {32, 33}, {71, 40}};
  for (const auto& [width, height] : sizes) {
    const Pixels stored = testing::MakePhoto(width, height);
    for (int orientation = 1; orientation <= 8; ++orientation) {
      const Pixels upright = Upright(stored, orientation);
      ASSERT_EQ(upright.width, orientation >= 5 ? height : width);
      ASSERT_EQ(upright.height, orientation >= 5 ? width : height);
      ASSERT_EQ(upright.rgb.size(), stored.rgb.size());
      for (int i = 0; i < width * height; ++i) {
        const auto [x, y] = StoredPlace(orientation, i % upright.width,
                                        i / upright.width, width, height);
        for (int c = 0; c < 3; ++c) {
          ASSERT_EQ(
              upright.rgb[static_cast<std::size_t>(3 * i + c)],
              stored.rgb[static_cast<std::size_t>(3 * (y * width + x) + c)])
              << "orientation " << orientation << " pixel " << i;
        }
      }
    }
  }
}

TEST(OrientationTest, LeavesThePictureForAnyOtherValue) {
  const Pixels stored = testing::MakePhoto(4, 3);
  EXPECT_EQ(Upright(stored, 0).rgb, stored.rgb);
  EXPECT_EQ(Upright(stored, 9).width, 4);
}

}  // namespace
}  // namespace resnetd
