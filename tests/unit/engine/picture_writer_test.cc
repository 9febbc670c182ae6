#include "server/engine/picture_writer.h"

#include <cstdint>
#include <cstring>
#include <vector>

#include "gtest/gtest.h"
#include "server/engine/average.h"
#include "server/engine/normalisation.h"
#include "server/models/weight_fill.h"

namespace resnetd {
namespace {

constexpr int kCrop = 8;
constexpr std::size_t kValues = 3 * kCrop * kCrop;

PreprocessSpec Spec() { return {.resize = kCrop, .crop = kCrop}; }

class PictureWriterTest : public testing::Test {
 protected:
  std::vector<std::byte> Write(const ModelInput& input,
                               const PictureFormat& format) const {
    std::vector<std::byte> bytes(writer_.BytesOf(format) + 1, std::byte{0x5A});
    writer_.Write(input, format, bytes.data());
    EXPECT_EQ(bytes.back(), std::byte{0x5A}) << "wrote too much";
    bytes.pop_back();
    return bytes;
  }

  const PictureWriter writer_{Spec()};
  const Normalisation normalisation_{Spec()};
  const Pixels picture_ = FillPicture(kCrop, kCrop);
};

std::vector<float> Floats(const std::vector<std::byte>& bytes) {
  std::vector<float> floats(bytes.size() / sizeof(float));
  std::memcpy(floats.data(), bytes.data(), bytes.size());
  return floats;
}

TEST_F(PictureWriterTest, Float32IsWhatNormalisationWrites) {
  for (const auto layout :
       {PictureLayout::kPlanes, PictureLayout::kInterleaved}) {
    std::vector<float> expected(kValues);
    normalisation_.Write(picture_, layout, expected.data());
    const PictureFormat format = {.layout = layout};
    EXPECT_EQ(Floats(Write({.pixels = &picture_}, format)), expected);
  }
}

TEST_F(PictureWriterTest, Bfloat16IsTheSameRounded) {
  std::vector<float> planes(kValues);
  normalisation_.Write(picture_, PictureLayout::kPlanes, planes.data());
  for (const auto layout :
       {PictureLayout::kPlanes, PictureLayout::kInterleaved}) {
    std::vector<float> floats(kValues);
    normalisation_.Write(picture_, layout, floats.data());
    const PictureFormat format = {.layout = layout,
                                  .precision = Precision::kBfloat16};
    const std::vector<std::byte> bytes = Write({.pixels = &picture_}, format);
    EXPECT_EQ(Write({.normalised = &planes}, format), bytes);
    std::vector<std::uint16_t> values(kValues);
    ASSERT_EQ(bytes.size(), 2 * kValues);
    std::memcpy(values.data(), bytes.data(), bytes.size());
    for (std::size_t i = 0; i < kValues; ++i) {
      ASSERT_EQ(values[i], ToBfloat16(floats[i])) << i;
    }
  }
}

TEST_F(PictureWriterTest, BytesAreThePictureInItsEdge) {
  const PictureFormat format = {.precision = Precision::kInt8, .padding = 3};
  const std::vector<std::byte> bytes = Write({.pixels = &picture_}, format);
  constexpr int kSide = kCrop + 6;
  ASSERT_EQ(bytes.size(), std::size_t{3} * kSide * kSide);
  // ImageNet's mean colour: 123.675, 116.28, 103.53.
  const int edge[] = {124, 116, 104};
  for (int y = 0; y < kSide; ++y) {
    for (int x = 0; x < kSide; ++x) {
      const bool inside = x >= 3 && y >= 3 && x < kCrop + 3 && y < kCrop + 3;
      for (int c = 0; c < 3; ++c) {
        const auto at = static_cast<std::size_t>(3 * (y * kSide + x) + c);
        const auto from =
            static_cast<std::size_t>(3 * ((y - 3) * kCrop + x - 3) + c);
        ASSERT_EQ(static_cast<int>(bytes[at]),
                  inside ? picture_.rgb[from] : edge[c])
            << x << "," << y << "," << c;
      }
    }
  }
}

TEST_F(PictureWriterTest, NormalisedValuesBecomeTheBytesTheyCameFrom) {
  Pixels all{.width = kCrop, .height = kCrop, .rgb = {}};
  for (std::size_t first = 0; first < 256; first += kValues / 3) {
    all.rgb.clear();
    for (std::size_t i = 0; i < kValues / 3; ++i) {
      all.rgb.insert(all.rgb.end(), 3, static_cast<std::uint8_t>(first + i));
    }
    std::vector<float> planes(kValues);
    normalisation_.Write(all, PictureLayout::kPlanes, planes.data());
    const PictureFormat format = {.precision = Precision::kInt8, .padding = 1};
    EXPECT_EQ(Write({.normalised = &planes}, format),
              Write({.pixels = &all}, format));
  }
}

TEST_F(PictureWriterTest, ValuesThatNoByteCanBeAreCutOff) {
  std::vector<float> planes(kValues, 100.0F);
  planes[0] = -100.0F;
  const std::vector<std::byte> bytes = Write(
      {.normalised = &planes}, {.precision = Precision::kInt8, .padding = 0});
  EXPECT_EQ(bytes[0], std::byte{0});
  EXPECT_EQ(bytes[1], std::byte{255});
}

}  // namespace
}  // namespace resnetd
