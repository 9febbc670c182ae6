#include "server/engine/average.h"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "gtest/gtest.h"

namespace resnetd {
namespace {

TEST(AverageTest, AveragesEachChannelOfEachPicture) {
  // Two pictures of three pixels of two channels.
  const std::vector<std::uint8_t> source = {0, 255, 3,  255, 6, 255,
                                            9, 0,   12, 1,   0, 2};
  std::vector<float> average(4, -1.0F);
  AverageBytes({.batch = 2, .pixels = 3, .channels = 2}, 0.5F, source.data(),
               average.data());
  EXPECT_EQ(average, (std::vector<float>{1.5F, 127.5F, 3.5F, 0.5F}));
}

TEST(AverageTest, AveragesBfloat16) {
  const std::vector<std::uint16_t> source = {
      ToBfloat16(1.0F), ToBfloat16(-2.0F), ToBfloat16(2.0F), ToBfloat16(5.0F)};
  std::vector<float> average(2);
  AverageBfloat16({.batch = 1, .pixels = 2, .channels = 2}, source.data(),
                  average.data());
  EXPECT_EQ(average, (std::vector<float>{1.5F, 1.5F}));
}

TEST(AverageTest, BytesAreRoundedToEvenAndCutOff) {
  const std::vector<float> source = {-1.0F, 0.0F,  0.24F,  0.25F,
                                     0.26F, 0.75F, 127.5F, 128.0F};
  std::vector<std::uint8_t> bytes(source.size());
  QuantiseToBytes(source.data(), source.size(), 0.5F, bytes.data());
  EXPECT_EQ(bytes, (std::vector<std::uint8_t>{0, 0, 0, 0, 1, 2, 255, 255}));
}

TEST(Bfloat16Test, RoundsToTheNearestAndTiesToEven) {
  // 8 bits of mantissa: neighbours of 1 are 1/128 apart.
  EXPECT_EQ(FromBfloat16(ToBfloat16(1.0F + 1.0F / 256)), 1.0F);
  EXPECT_EQ(FromBfloat16(ToBfloat16(1.0F + 3.0F / 256)), 1.0F + 4.0F / 256);
  EXPECT_EQ(FromBfloat16(ToBfloat16(1.0F + 1.1F / 256)), 1.0F + 2.0F / 256);
  EXPECT_EQ(FromBfloat16(ToBfloat16(-1.0F - 1.1F / 256)), -1.0F - 2.0F / 256);
  EXPECT_EQ(FromBfloat16(ToBfloat16(0.0F)), 0.0F);
}

TEST(Bfloat16Test, EveryPatternThatIsANumberSurvives) {
  for (std::uint32_t bits = 0; bits <= 0xFFFF; ++bits) {
    const float value = FromBfloat16(static_cast<std::uint16_t>(bits));
    if (std::isfinite(value)) {
      ASSERT_EQ(ToBfloat16(value), bits);
    }
  }
}

}  // namespace
}  // namespace resnetd
