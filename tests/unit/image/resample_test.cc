#include "server/image/resample.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/image/picture_factory.h"

namespace resnetd {
namespace {

using testing::MakePhoto;

Pixels ResizeTo(const Pixels& pixels, int width, int height,
                const ResampleKernels& kernels) {
  return Resample(pixels, ComputeTaps(pixels.width, width, 0, width),
                  ComputeTaps(pixels.height, height, 0, height), kernels);
}

TEST(ResampleTest, GivesEveryPairOfSides) {
  const Pixels photo = MakePhoto(37, 23);
  for (const int width : {1, 5, 37, 80}) {
    for (const int height : {1, 4, 23, 61}) {
      const Pixels resized = ResizeTo(photo, width, height, BestKernels());
      EXPECT_EQ(resized.width, width);
      EXPECT_EQ(resized.height, height);
      EXPECT_EQ(resized.rgb,
                ResizeTo(photo, width, height, ScalarKernels()).rgb)
          << width << " x " << height;
    }
  }
}

TEST(ResampleTest, ChangesNothingAtTheSameSize) {
  const Pixels photo = MakePhoto(31, 17);
  EXPECT_EQ(ResizeTo(photo, 31, 17, BestKernels()).rgb, photo.rgb);
}

TEST(ResampleTest, KeepsOneColour) {
  Pixels flat = MakePhoto(40, 30);
  std::fill(flat.rgb.begin(), flat.rgb.end(), std::uint8_t{201});
  for (const std::uint8_t value : ResizeTo(flat, 9, 77, BestKernels()).rgb) {
    EXPECT_EQ(value, 201);
  }
}

}  // namespace
}  // namespace resnetd
