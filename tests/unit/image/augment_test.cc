#include "server/image/augment.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include "server/base/sha256.h"
#include "tests/unit/image/picture_factory.h"

namespace resnetd {
namespace {

using testing::MakePhoto;

// As source() of tests/oracle/augment_golden.py.
Pixels MakeSource(int width, int height) {
  Pixels pixels = {.width = width, .height = height, .rgb = {}};
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < 3; ++c) {
        pixels.rgb.push_back(static_cast<std::uint8_t>(
            x * (3 + c) + y * (5 - c) + x * y / 7 + 40 * c +
            (x * 31 + y * 17 + c * 11) % 23));
      }
    }
  }
  return pixels;
}

// One line of the golden file.
struct Golden {
  int width = 0;
  int height = 0;
  CropBox box;
  int side = 0;
  AugmentDraw draw;
  std::string digest;
};

bool ReadGolden(std::istream& in, Golden& golden) {
  static const std::map<char, ColourStep> kSteps = {
      {'b', ColourStep::kBrightness},
      {'c', ColourStep::kContrast},
      {'s', ColourStep::kSaturation}};
  std::string order;
  in >> golden.width >> golden.height >> golden.box.left >> golden.box.top >>
      golden.box.width >> golden.box.height >> golden.side >>
      golden.draw.flip >> order >> golden.draw.brightness >>
      golden.draw.contrast >> golden.draw.saturation >> golden.digest;
  for (std::size_t i = 0; i < order.size() && i < 3; ++i) {
    golden.draw.order[i] = kSteps.at(order[i]);
  }
  golden.draw.crop = golden.box;
  return static_cast<bool>(in);
}

PreprocessSpec SpecOf(int side) { return {.resize = side, .crop = side}; }

TEST(AugmentTest, GivesTheBytesOfTorchvision) {
  std::ifstream file(RESNETD_SOURCE_DIR "/tests/golden/image/augment.txt");
  std::string line;
  int lines = 0;
  while (std::getline(file, line)) {
    std::istringstream in(line);
    Golden golden;
    ASSERT_TRUE(ReadGolden(in, golden)) << line;
    const Pixels made = Augment(MakeSource(golden.width, golden.height),
                                golden.draw, SpecOf(golden.side));
    EXPECT_EQ(Sha256Hex(made.rgb).substr(0, 16), golden.digest) << line;
    EXPECT_EQ(made.width, golden.side);
    EXPECT_EQ(made.height, golden.side);
    ++lines;
  }
  EXPECT_EQ(lines, 76);
}

TEST(AugmentTest, IsPreprocessingWhenNothingIsDrawn) {
  const Pixels photo = MakePhoto(90, 61);
  const PreprocessSpec spec = {.resize = 40, .crop = 32};
  EXPECT_EQ(Augment(photo, {}, spec).rgb, ResizeAndCrop(photo, spec).rgb);
}

TEST(AugmentTest, MirrorsEveryRow) {
  const Pixels source = MakeSource(9, 9);
  AugmentDraw draw;
  draw.flip = true;
  const Pixels flipped = Augment(source, draw, SpecOf(9));
  for (std::size_t y = 0; y < 9; ++y) {
    for (std::size_t x = 0; x < 9; ++x) {
      for (std::size_t c = 0; c < 3; ++c) {
        EXPECT_EQ(flipped.rgb[(y * 9 + x) * 3 + c],
                  source.rgb[(y * 9 + 8 - x) * 3 + c]);
      }
    }
  }
}

TEST(AugmentTest, IsBlackWithoutBrightnessAndGreyWithoutSaturation) {
  const Pixels source = MakeSource(16, 16);
  AugmentDraw black;
  black.brightness = 0;
  for (const std::uint8_t value : Augment(source, black, SpecOf(16)).rgb) {
    EXPECT_EQ(value, 0);
  }
  AugmentDraw grey;
  grey.saturation = 0;
  const Pixels made = Augment(source, grey, SpecOf(16));
  for (std::size_t i = 0; i < made.rgb.size(); i += 3) {
    EXPECT_EQ(made.rgb[i], made.rgb[i + 1]);
    EXPECT_EQ(made.rgb[i], made.rgb[i + 2]);
  }
  AugmentDraw flat;
  flat.contrast = 0;
  const Pixels even = Augment(source, flat, SpecOf(16));
  for (const std::uint8_t value : even.rgb) {
    EXPECT_EQ(value, even.rgb[0]);
  }
}

TEST(AugmentTest, LeavesTheSourceAsItIs) {
  const Pixels source = MakeSource(16, 16);
  const std::vector<std::uint8_t> before = source.rgb;
  AugmentDraw draw;
  draw.flip = true;
  draw.contrast = 1.5;
  Augment(source, draw, SpecOf(16));
  EXPECT_EQ(source.rgb, before);
}

}  // namespace
}  // namespace resnetd
