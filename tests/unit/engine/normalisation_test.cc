#include "server/engine/normalisation.h"

#include <cstdint>
#include <cstring>
#include <vector>

#include "gtest/gtest.h"
#include "server/image/pixels.h"
#include "server/image/preprocess.h"

namespace resnetd {
namespace {

// One pixel for each value, the same in all channels.
Pixels EveryValue() {
  Pixels pixels{.width = 256, .height = 1, .rgb = {}};
  for (int value = 0; value < 256; ++value) {
    for (int c = 0; c < 3; ++c) {
      pixels.rgb.push_back(static_cast<std::uint8_t>(value));
    }
  }
  return pixels;
}

std::uint64_t Fingerprint(const std::vector<float>& values) {
  std::vector<std::uint8_t> bytes(values.size() * sizeof(float));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  std::uint64_t hash = 0xCBF29CE484222325U;
  for (const std::uint8_t byte : bytes) {
    hash = (hash ^ byte) * 0x100000001B3U;
  }
  return hash;
}

// Expected bits: torchvision's normalize(to_tensor(picture)) with ImageNet's
// mean and std, of a 1 x 256 picture with every value.
TEST(NormalisationTest, EqualsTorchvisionBitForBit) {
  std::vector<float> planes(256 * 3);
  Normalisation({}).Write(EveryValue(), PictureLayout::kPlanes, planes.data());
  EXPECT_EQ(planes[0], -0x1.0f177ap+1F);
  EXPECT_EQ(planes[256 + 128], 0x1.a43690p-3F);
  EXPECT_EQ(planes[2 * 256 + 255], 0x1.51eb86p+1F);
  EXPECT_EQ(Fingerprint(planes), 0xE24D709A66DE7CC0U);
}

TEST(NormalisationTest, BothLayoutsHoldTheSameValues) {
  const Pixels picture = EveryValue();
  const Normalisation normalisation(PreprocessSpec{
      .resize = 256, .crop = 224, .mean = {0, 0.5F, 1}, .std = {1, 2, 0.25F}});
  std::vector<float> planes(256 * 3);
  std::vector<float> interleaved(256 * 3);
  normalisation.Write(picture, PictureLayout::kPlanes, planes.data());
  normalisation.Write(picture, PictureLayout::kInterleaved, interleaved.data());
  for (std::size_t i = 0; i < 256; ++i) {
    for (std::size_t c = 0; c < 3; ++c) {
      EXPECT_EQ(planes[c * 256 + i], interleaved[3 * i + c]);
    }
  }
  EXPECT_EQ(interleaved[3 * 255], 1.0F);
  EXPECT_EQ(interleaved[3 * 255 + 1], 0.25F);
  EXPECT_EQ(interleaved[2], -4.0F);
}

TEST(NormalisationTest, PlanesAreTakenInEitherLayout) {
  const std::vector<float> planes = {1, 2, 3, 4, 5, 6};
  std::vector<float> out(6);
  WritePlanes(planes, PictureLayout::kPlanes, out.data());
  EXPECT_EQ(out, planes);
  WritePlanes(planes, PictureLayout::kInterleaved, out.data());
  EXPECT_EQ(out, (std::vector<float>{1, 3, 5, 2, 4, 6}));
}

}  // namespace
}  // namespace resnetd
