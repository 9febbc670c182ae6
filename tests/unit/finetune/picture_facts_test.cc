#include "server/finetune/picture_facts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "server/base/error.h"
#include "server/image/decode_error.h"
#include "tests/unit/finetune/dataset_fixture.h"

namespace resnetd {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;

std::string CodeOf(const std::string& bytes, const DecodeLimits& limits = {}) {
  ExampleRow row;
  return RejectionCode(ReadPictureFacts(AsBytes(bytes), limits, row));
}

TEST(PictureFactsTest, MeasuresEveryChannelOfEveryPixel) {
  ExampleRow row;
  MeasurePixels({.width = 2, .height = 1, .rgb = {0, 51, 255, 255, 153, 255}},
                row);
  EXPECT_EQ(row.width, 2);
  EXPECT_EQ(row.height, 1);
  EXPECT_FALSE(row.is_grey);
  EXPECT_THAT(row.mean,
              ElementsAre(DoubleNear(0.5, 1e-12), DoubleNear(0.4, 1e-12),
                          DoubleNear(1.0, 1e-12)));
  EXPECT_THAT(row.mean_square,
              ElementsAre(DoubleNear(0.5, 1e-12), DoubleNear(0.2, 1e-12),
                          DoubleNear(1.0, 1e-12)));
}

TEST(PictureFactsTest, GreyIsOnePixelAwayFromColour) {
  ExampleRow row;
  MeasurePixels({.width = 2, .height = 1, .rgb = {7, 7, 7, 9, 9, 9}}, row);
  EXPECT_TRUE(row.is_grey);
  MeasurePixels({.width = 2, .height = 1, .rgb = {7, 7, 7, 9, 9, 8}}, row);
  EXPECT_FALSE(row.is_grey);
  MeasurePixels({.width = 2, .height = 1, .rgb = {7, 7, 7, 8, 9, 9}}, row);
  EXPECT_FALSE(row.is_grey);
}

TEST(PictureFactsTest, KnowsAnEncodedPictureByItsBytes) {
  const std::string png = PngOf(1, 11, 7);
  ExampleRow row;
  ASSERT_TRUE(ReadPictureFacts(AsBytes(png), {}, row).ok());
  EXPECT_EQ(row.image, DigestOfText(png));
  EXPECT_EQ(row.bytes, static_cast<std::int64_t>(png.size()));
  EXPECT_EQ(row.width, 11);
  EXPECT_EQ(row.height, 7);
}

TEST(PictureFactsTest, EveryFaultHasItsCode) {
  const std::string png = PngOf(1);
  EXPECT_EQ(CodeOf(""), "EMPTY");
  EXPECT_EQ(CodeOf("GIF89a is not a format of ours"), "UNSUPPORTED_FORMAT");
  EXPECT_EQ(CodeOf(png.substr(0, png.size() / 2)), "TRUNCATED");
  std::string damaged = png;
  damaged[damaged.size() / 2] ^= 0x40;
  EXPECT_EQ(CodeOf(damaged), "DECODE_FAILED");
  EXPECT_EQ(CodeOf(png, {.max_encoded_bytes = png.size() - 1}), "TOO_LARGE");
  EXPECT_EQ(CodeOf(png, {.max_pixels = 63}), "TOO_LARGE");
  EXPECT_EQ(CodeOf(png, {.max_side = 7}), "TOO_LARGE");
}

TEST(PictureFactsTest, TheCausesOfTheDecoderAreCodes) {
  EXPECT_EQ(RejectionCode(DecodeError(DecodeCause::kAnimated, "x")),
            "ANIMATED");
  EXPECT_EQ(RejectionCode(DecodeError(DecodeCause::kUnsupportedFeature, "x")),
            "UNSUPPORTED_FEATURE");
}

TEST(PictureFactsTest, AnErrorThatIsNotThePicturesHasNoCode) {
  EXPECT_EQ(RejectionCode(OutOfMemoryError()), "");
  EXPECT_EQ(RejectionCode(absl::InvalidArgumentError("of a library")), "");
}

}  // namespace
}  // namespace resnetd
