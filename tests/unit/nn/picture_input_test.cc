#include "server/nn/picture_input.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/equal.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "server/image/preprocess.h"
#include "server/models/weight_fill.h"

namespace resnetd {
namespace {

// Every 8-bit value in every channel.
Pixels AllValues() {
  Pixels pixels{.width = 16, .height = 16, .rgb = {}};
  for (int i = 0; i < 256; ++i) {
    for (const int shift : {0, 85, 170}) {
      pixels.rgb.push_back(static_cast<std::uint8_t>(i + shift));
    }
  }
  return pixels;
}

TEST(PictureInputTest, EqualsToTensorAndNormalizeBitForBit) {
  const PreprocessSpec spec{.resize = 16, .crop = 16};
  const Pixels pixels = AllValues();
  const Pixels* const batch[] = {&pixels};
  const at::Tensor input =
      PictureInput(spec, at::kCPU).Normalised(batch).contiguous();
  ASSERT_EQ(input.sizes(), at::IntArrayRef({1, 3, 16, 16}));
  const float* actual = input.const_data_ptr<float>();
  for (std::size_t channel = 0; channel < 3; ++channel) {
    for (std::size_t i = 0; i < 256; ++i) {
      // volatile: one rounding to float32 per operation, whatever the compiler
      // would like to fuse.
      volatile float value =
          static_cast<float>(pixels.rgb[i * 3 + channel]) / 255.0F;
      value = value - spec.mean[channel];
      value = value / spec.std[channel];
      EXPECT_EQ(actual[channel * 256 + i], value) << channel << " " << i;
    }
  }
}

TEST(PictureInputTest, KeepsThePicturesOfABatchApart) {
  const PreprocessSpec spec{.resize = 8, .crop = 8};
  const Pixels a = FillPicture(8, 8, 0);
  const Pixels b = FillPicture(8, 8, 1);
  const PictureInput input(spec, at::kCPU);
  const Pixels* const both[] = {&a, &b, &a};
  const Pixels* const only_b[] = {&b};
  const at::Tensor batch = input.Normalised(both);
  EXPECT_TRUE(at::equal(batch[0], batch[2]));
  EXPECT_FALSE(at::equal(batch[0], batch[1]));
  EXPECT_TRUE(at::equal(batch[1], input.Normalised(only_b)[0]));
}

TEST(PictureInputTest, GivesTheLayoutThatConvolutionsWant) {
  const PreprocessSpec spec{.resize = 8, .crop = 8};
  const Pixels a = FillPicture(8, 8);
  const Pixels* const batch[] = {&a, &a};
  EXPECT_TRUE(PictureInput(spec, at::kCPU)
                  .Normalised(batch)
                  .is_contiguous(at::MemoryFormat::ChannelsLast));
}

}  // namespace
}  // namespace resnetd
