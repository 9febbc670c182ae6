#include "server/serving/tensor_image.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "server/base/error.h"

namespace resnetd {
namespace {

using testing::HasSubstr;

constexpr int kCrop = 2;

std::vector<std::uint8_t> BytesOf(const std::vector<float>& values) {
  std::vector<std::uint8_t> bytes(values.size() * sizeof(float));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

std::vector<float> Ramp() { return {0, -1.5F, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}; }

TensorImage TensorOf(const std::vector<std::uint8_t>& bytes,
                     DType type = DType::kF32) {
  return {.bytes = bytes, .type = type, .height = kCrop, .width = kCrop};
}

TEST(TensorImageTest, TakesFloatsAsTheyAre) {
  const std::vector<std::uint8_t> bytes = BytesOf(Ramp());
  const auto values = NormalisedValues(TensorOf(bytes), kCrop);
  ASSERT_TRUE(values.ok()) << values.status();
  EXPECT_EQ(*values, Ramp());
  EXPECT_EQ(NormalisedBytes(TensorOf(bytes)), 48U);
}

// 0x3C00 is 1, 0xC000 is -2, 0x7BFF is 65504, 0x0001 is 2^-24.
TEST(TensorImageTest, WidensHalves) {
  std::vector<std::uint8_t> bytes = {0x00, 0x3C, 0x00, 0xC0,
                                     0xFF, 0x7B, 0x01, 0x00};
  bytes.resize(24);
  const TensorImage image = TensorOf(bytes, DType::kF16);
  const auto values = NormalisedValues(image, kCrop);
  ASSERT_TRUE(values.ok()) << values.status();
  EXPECT_EQ((*values)[0], 1.0F);
  EXPECT_EQ((*values)[1], -2.0F);
  EXPECT_EQ((*values)[2], 65'504.0F);
  EXPECT_EQ((*values)[3], 0x1p-24F);
  EXPECT_EQ(NormalisedBytes(image), 48U);
}

TEST(TensorImageTest, RefusesSidesThatAreNotTheNetworks) {
  const std::vector<std::uint8_t> bytes = BytesOf(Ramp());
  for (const int crop : {1, 3}) {
    const absl::Status status =
        NormalisedValues(TensorOf(bytes), crop).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << crop;
    EXPECT_THAT(std::string(status.message()), HasSubstr("3x2x2")) << crop;
  }
}

TEST(TensorImageTest, RefusesBytesOfAnotherSize) {
  for (const std::size_t size : {0U, 47U, 49U, 24U, 96U}) {
    const std::vector<std::uint8_t> bytes(size);
    const absl::Status status =
        NormalisedValues(TensorOf(bytes), kCrop).status();
    EXPECT_EQ(DetailsOf(status).reason, "REQUEST_INVALID") << size;
    EXPECT_THAT(std::string(status.message()), HasSubstr("need 48")) << size;
  }
}

TEST(TensorImageTest, RefusesWhatIsNotFiniteOrFarTooLarge) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(),
                          std::numeric_limits<float>::infinity(),
                          -std::numeric_limits<float>::infinity(), 65'505.0F,
                          -65'505.0F, std::numeric_limits<float>::max()}) {
    std::vector<float> values = Ramp();
    values[7] = bad;
    const std::vector<std::uint8_t> bytes = BytesOf(values);
    const absl::Status status =
        NormalisedValues(TensorOf(bytes), kCrop).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << bad;
    EXPECT_THAT(std::string(status.message()),
                HasSubstr("channel 1, row 1, column 1"))
        << bad;
  }
  std::vector<float> values = Ramp();
  values[0] = -65'504.0F;
  values[11] = 65'504.0F;
  const std::vector<std::uint8_t> bytes = BytesOf(values);
  EXPECT_TRUE(NormalisedValues(TensorOf(bytes), kCrop).ok());
}

}  // namespace
}  // namespace resnetd
