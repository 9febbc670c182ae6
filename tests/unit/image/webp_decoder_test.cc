#include <gtest/gtest.h>

#include <cmath>

#include "server/image/format_decoders.h"
#include "tests/unit/image/decode_matchers.h"
#include "tests/unit/image/picture_edits.h"

namespace resnetd {
namespace {

using testing::Encoded;
using testing::EncodeWebp;
using testing::ExtendedHeader;
using testing::MakePhoto;
using testing::Outcome;
using testing::RiffBody;
using testing::RiffChunk;
using testing::RiffFile;

Encoded WithAlpha(const Pixels& photo, std::vector<std::uint8_t>* rgba,
                  bool is_lossless) {
  for (std::size_t i = 0; i < photo.rgb.size(); i += 3) {
    rgba->insert(rgba->end(), &photo.rgb[i], &photo.rgb[i] + 3);
    rgba->push_back(static_cast<std::uint8_t>(i * 7 / 3));
  }
  return EncodeWebp(*rgba, photo.width, photo.height,
                    {.lossless = is_lossless, .quality = 100});
}

TEST(WebpDecoderTest, DecodesLosslessPicturesExactly) {
  for (const auto& [width, height] : {std::pair{1, 1}, {17, 3}, {64, 65}}) {
    const Pixels photo = MakePhoto(width, height);
    const absl::StatusOr<Pixels> decoded =
        DecodeImage(EncodeWebp(photo, {.lossless = true}), {});
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    EXPECT_EQ(decoded->width, width);
    EXPECT_EQ(decoded->height, height);
    EXPECT_EQ(decoded->rgb, photo.rgb);
  }
}

TEST(WebpDecoderTest, LaysAlphaOverWhiteExactly) {
  const Pixels photo = MakePhoto(33, 21);
  std::vector<std::uint8_t> rgba;
  const absl::StatusOr<Pixels> decoded =
      DecodeImage(WithAlpha(photo, &rgba, true), {});
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  for (std::size_t i = 0; i < decoded->rgb.size(); ++i) {
    const int alpha = rgba[i / 3 * 4 + 3];
    const int twice = 2 * (photo.rgb[i] * alpha + 255 * (255 - alpha));
    ASSERT_EQ(decoded->rgb[i], (twice + 255) / 510) << i;
  }
}

TEST(WebpDecoderTest, DecodesLossyPicturesWithAndWithoutAlpha) {
  const Pixels photo = MakePhoto(61, 47);
  std::vector<std::uint8_t> rgba;
  for (const Encoded& webp :
       {EncodeWebp(photo, {.quality = 100}), WithAlpha(photo, &rgba, false)}) {
    const absl::StatusOr<Pixels> decoded = DecodeImage(webp, {});
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    ASSERT_EQ(decoded->rgb.size(), photo.rgb.size());
  }
  const absl::StatusOr<Pixels> decoded =
      DecodeImage(EncodeWebp(photo, {.quality = 100}), {});
  double sum = 0;
  for (std::size_t i = 0; i < photo.rgb.size(); ++i) {
    sum += std::abs(photo.rgb[i] - decoded->rgb[i]);
  }
  EXPECT_LT(sum / static_cast<double>(photo.rgb.size()), 8);
}

TEST(WebpDecoderTest, RefusesDataThatIsTooLong) {
  for (const bool is_lossless : {false, true}) {
    const Encoded webp =
        EncodeWebp(MakePhoto(64, 64), {.lossless = is_lossless});
    const absl::string_view type = is_lossless ? "VP8L" : "VP8 ";
    Encoded body = RiffBody(webp, type);
    body.insert(body.end(), 16, 0x55);
    const Encoded longer[] = {RiffChunk(type, body)};
    EXPECT_EQ(Outcome(RiffFile(longer)), "CORRUPT") << is_lossless;
  }
}

TEST(WebpDecoderTest, RefusesDataThatIsTooShort) {
  for (const bool is_lossless : {false, true}) {
    const Encoded webp =
        EncodeWebp(MakePhoto(64, 64), {.lossless = is_lossless});
    const absl::string_view type = is_lossless ? "VP8L" : "VP8 ";
    Encoded body = RiffBody(webp, type);
    body.erase(body.end() - 8, body.end());
    const Encoded shorter[] = {RiffChunk(type, body)};
    const std::string outcome = Outcome(RiffFile(shorter));
    EXPECT_TRUE(outcome == "TRUNCATED" || outcome == "CORRUPT") << outcome;
  }
}

TEST(WebpDecoderTest, RefusesACanvasOfAnotherSize) {
  const Encoded body =
      RiffBody(EncodeWebp(MakePhoto(20, 10), {.lossless = true}), "VP8L");
  const Encoded right[] = {ExtendedHeader(0, 20, 10), RiffChunk("VP8L", body)};
  const Encoded wrong[] = {ExtendedHeader(0, 20, 11), RiffChunk("VP8L", body)};
  EXPECT_EQ(Outcome(RiffFile(right)), "ok");
  EXPECT_EQ(Outcome(RiffFile(wrong)), "CORRUPT");
}

TEST(WebpDecoderTest, RefusesAFirstByteThatIsNotOfThatCoding) {
  Encoded webp = EncodeWebp(MakePhoto(20, 10), {.lossless = true});
  webp[20] = 0x2E;
  EXPECT_EQ(Outcome(webp), "CORRUPT");
  webp = EncodeWebp(MakePhoto(20, 10));
  webp[23] = 0x00;
  EXPECT_EQ(Outcome(webp), "CORRUPT");
}

TEST(WebpDecoderTest, SurvivesPictureChunksOfEveryTinySize) {
  for (const absl::string_view type : {"VP8 ", "VP8L"}) {
    const Encoded whole = RiffBody(
        EncodeWebp(MakePhoto(20, 10), {.lossless = type == "VP8L"}), type);
    for (std::size_t size = 0; size < 40; ++size) {
      const Encoded body(whole.begin(),
                         whole.begin() + static_cast<std::ptrdiff_t>(size));
      const Encoded chunks[] = {RiffChunk(type, body)};
      EXPECT_NE(Outcome(RiffFile(chunks)), "ok");
    }
  }
}

TEST(WebpDecoderTest, TurnsThePictureAsItsExifSays) {
  const Pixels photo = MakePhoto(6, 4);
  const Encoded webp =
      testing::WebpWithExif(EncodeWebp(photo, {.lossless = true}),
                            testing::ExifBlock(3, false), 6, 4);
  const absl::StatusOr<Pixels> upright = DecodeImage(webp, {});
  ASSERT_TRUE(upright.ok()) << upright.status();
  EXPECT_EQ(upright->rgb[0], photo.rgb[23U * 3U]);
}

}  // namespace
}  // namespace resnetd
