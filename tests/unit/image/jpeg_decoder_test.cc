#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <tuple>

#include "server/image/format_decoders.h"
#include "tests/unit/image/decode_matchers.h"
#include "tests/unit/image/picture_edits.h"

namespace resnetd {
namespace {

using testing::Encoded;
using testing::EncodeJpeg;
using testing::JpegOptions;
using testing::MakePhoto;
using testing::Outcome;

using Colour = JpegOptions::Colour;

double MeanDifference(const Pixels& a, const Pixels& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.rgb.size(); ++i) {
    sum += std::abs(a.rgb[i] - b.rgb[i]);
  }
  return sum / static_cast<double>(a.rgb.size());
}

// What the factory's picture looks like in that colour model, by the written
// recipe: grey by ITU-R BT.601, CMYK by light = k - (255 - c) * k / 255.
Pixels Expected(const Pixels& photo, Colour colour) {
  Pixels expected = photo;
  for (int y = 0; y < photo.height; ++y) {
    for (int x = 0; x < photo.width; ++x) {
      std::uint8_t* rgb =
          &expected.rgb[static_cast<std::size_t>(3 * (y * photo.width + x))];
      if (colour == Colour::kGrey) {
        const double grey = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
        rgb[0] = rgb[1] = rgb[2] = static_cast<std::uint8_t>(std::lround(grey));
      } else if (colour == Colour::kCmyk || colour == Colour::kYcck) {
        const double light = 255 - (x * 3 + y) % 120;
        for (int c = 0; c < 3; ++c) {
          rgb[c] = static_cast<std::uint8_t>(
              std::lround(light - (255 - rgb[c]) * light / 255));
        }
      }
    }
  }
  return expected;
}

class JpegColourTest
    : public ::testing::TestWithParam<std::tuple<Colour, bool>> {};

TEST_P(JpegColourTest, DecodesCloseToWhatWasEncoded) {
  const auto& [colour, is_progressive] = GetParam();
  const Pixels photo = MakePhoto(97, 61);
  const Encoded jpeg = EncodeJpeg(photo, {.colour = colour,
                                          .quality = 98,
                                          .progressive = is_progressive,
                                          .horizontal_sampling = 1,
                                          .vertical_sampling = 1});
  const absl::StatusOr<Pixels> decoded = DecodeImage(jpeg, {});
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  ASSERT_EQ(decoded->width, 97);
  ASSERT_EQ(decoded->height, 61);
  ASSERT_EQ(decoded->rgb.size(), 97U * 61U * 3U);
  // The quantisation at quality 98 alone makes about 1.
  EXPECT_LT(MeanDifference(*decoded, Expected(photo, colour)), 1.5);
}

INSTANTIATE_TEST_SUITE_P(
    AllColoursBaselineAndProgressive, JpegColourTest,
    ::testing::Combine(::testing::Values(Colour::kYcc, Colour::kRgb,
                                         Colour::kGrey, Colour::kCmyk,
                                         Colour::kYcck),
                       ::testing::Bool()));

TEST(JpegDecoderTest, ReadsCmykTheSameWithoutAdobesMarker) {
  const Encoded jpeg = EncodeJpeg(MakePhoto(40, 30), {.colour = Colour::kCmyk});
  const Encoded bare =
      testing::WithoutSegment(jpeg, testing::FindMarker(jpeg, 0xEE));
  EXPECT_EQ(DecodeImage(jpeg, {})->rgb, DecodeImage(bare, {})->rgb);
}

TEST(JpegDecoderTest, DecodesEverySamplingRestartAndScanLayout) {
  const Pixels photo = MakePhoto(83, 45);
  for (const auto& [horizontal, vertical] :
       {std::pair{1, 1}, {2, 1}, {1, 2}, {2, 2}, {4, 1}}) {
    for (const unsigned restart_interval : {0U, 1U, 3U}) {
      for (const int layout : {0, 1, 2}) {
        const Encoded jpeg =
            EncodeJpeg(photo, {.progressive = layout == 1,
                               .horizontal_sampling = horizontal,
                               .vertical_sampling = vertical,
                               .restart_interval = restart_interval,
                               .optimised_tables = restart_interval == 1,
                               .separate_scans = layout == 2});
        const absl::StatusOr<Pixels> decoded = DecodeImage(jpeg, {});
        ASSERT_TRUE(decoded.ok()) << decoded.status();
        EXPECT_LT(MeanDifference(*decoded, photo), 14);
      }
    }
  }
}

TEST(JpegDecoderTest, DecodesTheSmallestPictures) {
  for (const auto& [width, height] :
       {std::pair{1, 1}, {1, 9}, {9, 1}, {8, 8}, {16, 17}}) {
    const absl::StatusOr<Pixels> decoded =
        DecodeImage(EncodeJpeg(MakePhoto(width, height)), {});
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    EXPECT_EQ(decoded->width, width);
    EXPECT_EQ(decoded->height, height);
  }
}

TEST(JpegDecoderTest, TakesALibraryWarningAsDamage) {
  Encoded jpeg = EncodeJpeg(MakePhoto(64, 64));
  const std::size_t scan = testing::FindMarker(jpeg, 0xDA);
  // The end comes in the middle of the data: libjpeg would fill up with grey.
  const std::size_t middle = scan + (jpeg.size() - scan) / 2;
  jpeg.resize(middle);
  testing::Append(jpeg, absl::string_view("\xFF\xD9"));
  EXPECT_EQ(Outcome(jpeg), "CORRUPT");
}

TEST(JpegDecoderTest, RefusesDataThatIsTooLong) {
  const Encoded jpeg = EncodeJpeg(MakePhoto(64, 64));
  const Encoded longer =
      testing::Insert(jpeg, jpeg.size() - 2, Encoded(16, 0x55));
  EXPECT_EQ(Outcome(longer), "CORRUPT");
}

TEST(JpegDecoderTest, RefusesAMissingQuantisationTable) {
  const Encoded jpeg = EncodeJpeg(MakePhoto(16, 16));
  EXPECT_EQ(
      Outcome(testing::WithoutSegment(jpeg, testing::FindMarker(jpeg, 0xDB))),
      "CORRUPT");
}

TEST(JpegDecoderTest, SaysWhenTheLibraryLacksAFeature) {
  Encoded jpeg = EncodeJpeg(MakePhoto(48, 48),
                            {.horizontal_sampling = 1, .vertical_sampling = 1});
  const std::size_t frame = testing::FindMarker(jpeg, 0xC0);
  // Sampled 3 : 2 : 1, of which libjpeg takes whole ratios only.
  jpeg[frame + 11] = 0x31;
  jpeg[frame + 14] = 0x21;
  EXPECT_EQ(Outcome(jpeg), "UNSUPPORTED_FEATURE");
}

TEST(JpegDecoderTest, TurnsThePictureAsItsExifSays) {
  const Pixels photo = MakePhoto(48, 24);
  const Encoded jpeg = EncodeJpeg(photo);
  const Encoded turned =
      testing::JpegWithExif(jpeg, testing::ExifBlock(6, true));
  const absl::StatusOr<Pixels> plain = DecodeImage(jpeg, {});
  const absl::StatusOr<Pixels> upright = DecodeImage(turned, {});
  ASSERT_TRUE(upright.ok()) << upright.status();
  EXPECT_EQ(upright->width, 24);
  EXPECT_EQ(upright->height, 48);
  // To be turned clockwise: what is on the lower left comes to the upper left.
  const std::size_t lower_left = 23U * 48U * 3U;
  EXPECT_EQ(upright->rgb[0], plain->rgb[lower_left]);
}

TEST(JpegDecoderTest, SaysWhatIsWrongInWordsOfItsOwn) {
  Encoded jpeg = EncodeJpeg(MakePhoto(16, 16));
  jpeg.resize(jpeg.size() - 2);
  const absl::Status error = DecodeImage(jpeg, {}).status();
  EXPECT_EQ(error.message(),
            "JPEG ends inside its picture data, or its end marker is missing");
}

}  // namespace
}  // namespace resnetd
