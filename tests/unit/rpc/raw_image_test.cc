#include "server/rpc/raw_image.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>

#include "server/base/error.h"

namespace resnetd {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr RequestLimits kLimits{.max_pixels = 1000, .max_side = 100};

v1::RawImage Image(int height, int width, v1::RawImage::Format format,
                   std::size_t bytes) {
  v1::RawImage image;
  image.set_height(height);
  image.set_width(width);
  image.set_format(format);
  image.set_data(std::string(bytes, 'x'));
  return image;
}

struct Refusal {
  std::string reason;
  std::string field;
  std::string text;
};

Refusal RefusalOf(const v1::RawImage& image) {
  const auto pixels = ToPixels(image, "images[3].raw", kLimits);
  EXPECT_EQ(pixels.status().code(), absl::StatusCode::kInvalidArgument);
  const ErrorDetails details = DetailsOf(pixels.status());
  return {details.reason,
          details.violations.empty() ? "" : details.violations[0].first,
          std::string(pixels.status().message())};
}

TEST(RawImageTest, TakesRgbAsItIs) {
  v1::RawImage image = Image(1, 2, v1::RawImage::FORMAT_RGB8, 0);
  image.set_data("\x01\x02\x03\xff\x00\x7f", 6);
  const auto pixels = ToPixels(image, "", kLimits);
  ASSERT_TRUE(pixels.ok());
  EXPECT_EQ(pixels->height, 1);
  EXPECT_EQ(pixels->width, 2);
  EXPECT_THAT(pixels->rgb, ElementsAre(1, 2, 3, 255, 0, 127));
}

TEST(RawImageTest, TurnsBgrAround) {
  v1::RawImage image = Image(2, 1, v1::RawImage::FORMAT_BGR8, 0);
  image.set_data("\x01\x02\x03\x04\x05\x06");
  EXPECT_THAT(ToPixels(image, "", kLimits)->rgb, ElementsAre(3, 2, 1, 6, 5, 4));
}

TEST(RawImageTest, RepeatsGrey) {
  v1::RawImage image = Image(1, 2, v1::RawImage::FORMAT_GRAY8, 0);
  image.set_data("\x07\xfe");
  EXPECT_THAT(ToPixels(image, "", kLimits)->rgb,
              ElementsAre(7, 7, 7, 254, 254, 254));
}

TEST(RawImageTest, SidesAreOneToTheLimit) {
  EXPECT_TRUE(
      ToPixels(Image(100, 1, v1::RawImage::FORMAT_GRAY8, 100), "", kLimits)
          .ok());
  EXPECT_TRUE(
      ToPixels(Image(1, 99, v1::RawImage::FORMAT_GRAY8, 99), "", kLimits).ok());
  const Refusal high =
      RefusalOf(Image(101, 1, v1::RawImage::FORMAT_GRAY8, 101));
  EXPECT_EQ(high.reason, "LIMIT_EXCEEDED");
  EXPECT_EQ(high.field, "images[3].raw.height");
  EXPECT_EQ(high.text,
            "height 101 exceeds the limit of 100 pixels (--max-image-side)");
  for (const int side : {0, -1, std::numeric_limits<int>::min()}) {
    const Refusal low =
        RefusalOf(Image(1, side, v1::RawImage::FORMAT_GRAY8, 0));
    EXPECT_EQ(low.reason, "REQUEST_INVALID");
    EXPECT_EQ(low.field, "images[3].raw.width");
  }
}

TEST(RawImageTest, PixelsAreBounded) {
  EXPECT_TRUE(
      ToPixels(Image(10, 100, v1::RawImage::FORMAT_GRAY8, 1000), "", kLimits)
          .ok());
  const Refusal refusal =
      RefusalOf(Image(13, 77, v1::RawImage::FORMAT_GRAY8, 1001));
  EXPECT_EQ(refusal.reason, "LIMIT_EXCEEDED");
  EXPECT_EQ(refusal.field, "images[3].raw");
  EXPECT_THAT(refusal.text, HasSubstr("--max-image-pixels"));
}

TEST(RawImageTest, DataHasToHaveTheRightSize) {
  for (const std::size_t bytes : {0U, 59U, 61U, 20U}) {
    const Refusal refusal =
        RefusalOf(Image(4, 5, v1::RawImage::FORMAT_RGB8, bytes));
    EXPECT_EQ(refusal.reason, "REQUEST_INVALID");
    EXPECT_EQ(refusal.field, "images[3].raw.data");
    EXPECT_THAT(refusal.text, HasSubstr("needs 60"));
  }
  EXPECT_TRUE(
      ToPixels(Image(4, 5, v1::RawImage::FORMAT_RGB8, 60), "", kLimits).ok());
}

TEST(RawImageTest, ProductsOfTheLargestSidesDoNotOverflow) {
  // 65536 * 65536 is 0 and 2^31-1 squared is 1 in 32 bits.
  constexpr int kMax = std::numeric_limits<int>::max();
  RequestLimits limits;
  limits.max_side = kMax;
  for (const int side : {65'536, kMax}) {
    const v1::RawImage image =
        Image(side, side, v1::RawImage::FORMAT_GRAY8, side == kMax ? 1 : 0);
    EXPECT_EQ(DetailsOf(ToPixels(image, "", limits).status()).reason,
              "LIMIT_EXCEEDED");
    EXPECT_EQ(PixelBytesOf(image), 0U);
  }
}

TEST(RawImageTest, TheFormatHasToBeKnown) {
  for (const int format : {0, 4, -1, 1000}) {
    const Refusal refusal =
        RefusalOf(Image(4, 5, static_cast<v1::RawImage::Format>(format), 60));
    EXPECT_EQ(refusal.reason, "REQUEST_INVALID");
    EXPECT_EQ(refusal.field, "images[3].raw.format");
  }
}

TEST(RawImageTest, CountsTheBytesThatItWillTake) {
  EXPECT_EQ(PixelBytesOf(Image(4, 5, v1::RawImage::FORMAT_GRAY8, 20)), 60U);
  EXPECT_EQ(PixelBytesOf(Image(4, 5, v1::RawImage::FORMAT_RGB8, 60)), 60U);
  EXPECT_EQ(PixelBytesOf(Image(4, 5, v1::RawImage::FORMAT_RGB8, 59)), 0U);
  EXPECT_EQ(PixelBytesOf(Image(-4, -5, v1::RawImage::FORMAT_RGB8, 60)), 0U);
}

}  // namespace
}  // namespace resnetd
