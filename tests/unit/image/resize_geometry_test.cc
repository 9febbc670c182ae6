#include "server/image/resize_geometry.h"

#include <gtest/gtest.h>

namespace resnetd {
namespace {

// The numbers are torchvision 0.26's, from _compute_resized_output_size and
// center_crop; tests/oracle/pillow_compare.py compares many more.
TEST(ResizeGeometryTest, EqualsTorchvision) {
  struct Case {
    int width, height, resize, crop;
    std::int64_t new_width, new_height, left, top;
  };
  const Case cases[] = {
      {500, 375, 256, 224, 341, 256, 58, 16},
      {375, 500, 256, 224, 256, 341, 16, 58},
      {333, 517, 232, 224, 232, 360, 4, 68},
      {1024, 768, 255, 224, 340, 255, 58, 16},  // 15.5 rounds to even
      {1, 16384, 256, 224, 256, 4194304, 16, 2097040},
      {16384, 1, 256, 224, 4194304, 256, 2097040, 16},
      {640, 427, 257, 224, 385, 257, 80, 16},  // 80.5 and 16.5 round down
      {8, 8, 8, 8, 8, 8, 0, 0},
  };
  for (const Case& c : cases) {
    const ResizeGeometry geometry =
        ComputeGeometry(c.width, c.height, c.resize, c.crop);
    EXPECT_EQ(geometry.width, c.new_width) << c.width << "x" << c.height;
    EXPECT_EQ(geometry.height, c.new_height) << c.width << "x" << c.height;
    EXPECT_EQ(geometry.left, c.left) << c.width << "x" << c.height;
    EXPECT_EQ(geometry.top, c.top) << c.width << "x" << c.height;
  }
}

TEST(ResizeGeometryTest, RoundsHalfMarginsToEven) {
  // Margins 0.5, 1.5, 2.5, 3.5 become 0, 2, 2, 4.
  const std::int64_t rounded[] = {0, 2, 2, 4};
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(ComputeGeometry(8 + 2 * i + 1, 100, 8 + 2 * i + 1, 8).left,
              rounded[i]);
  }
}

}  // namespace
}  // namespace resnetd
