#include "server/image/announced_size.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "server/image/image_decoder.h"
#include "tests/unit/image/picture_edits.h"

namespace resnetd {
namespace {

using testing::Encoded;

constexpr int kWidth = 61;
constexpr int kHeight = 47;

std::vector<std::pair<std::string, Encoded>> Pictures() {
  const Pixels photo = testing::MakePhoto(kWidth, kHeight);
  const Encoded rgba(std::size_t{kWidth} * kHeight * 4, 100);
  const Encoded exif = testing::ExifBlock(6, /*big_endian=*/true);
  const Encoded jpeg = testing::EncodeJpeg(photo);
  const Encoded webp = testing::EncodeWebp(photo);
  return {
      {"JPEG", jpeg},
      {"progressive JPEG", testing::EncodeJpeg(photo, {.progressive = true})},
      {"JPEG with EXIF", testing::JpegWithExif(jpeg, exif)},
      {"PNG", testing::EncodePng(photo)},
      {"WebP", webp},
      {"lossless WebP",
       testing::EncodeWebp(rgba, kWidth, kHeight, {.lossless = true})},
      {"extended WebP", testing::WebpWithExif(webp, exif, kWidth, kHeight)},
  };
}

TEST(AnnouncedPixelsTest, AreThoseThatAreDecoded) {
  for (const auto& [name, encoded] : Pictures()) {
    const auto decoded = DecodeImage(encoded, {});
    ASSERT_TRUE(decoded.ok()) << name << ": " << decoded.status();
    EXPECT_EQ(AnnouncedPixels(encoded),
              std::int64_t{decoded->width} * decoded->height)
        << name;
  }
}

// What was cut may say nothing, and never more than the whole.
TEST(AnnouncedPixelsTest, OfAFileThatWasCutAreTheSameOrUnknown) {
  for (const auto& [name, encoded] : Pictures()) {
    bool is_known = false;
    for (std::size_t size = 0;
         size <= std::min<std::size_t>(1000, encoded.size()); ++size) {
      const std::int64_t pixels =
          AnnouncedPixels(absl::MakeConstSpan(encoded).subspan(0, size));
      EXPECT_TRUE(pixels == kWidth * kHeight || (pixels == 0 && !is_known))
          << name << " cut to " << size << ": " << pixels;
      is_known |= pixels > 0;
    }
    EXPECT_TRUE(is_known) << name;
  }
}

TEST(AnnouncedPixelsTest, OfWhatIsNoPictureAreUnknown) {
  for (const char* text :
       {"", "x", "GIF89a", "RIFF1234WEBPVP9 xxxxxxxxxxxxxxxxxxxxx",
        "\xFF\xD8\xFF", "\xFF\xD8\xFF\xE0xxxxxxxxxxxxxxx",
        "\x89PNG\r\n\x1A\n0000IDATxxxxxxxxxxxxxxxx"}) {
    Encoded encoded;
    testing::Append(encoded, absl::string_view(text));
    EXPECT_EQ(AnnouncedPixels(encoded), 0) << text;
  }
}

TEST(AnnouncedPixelsTest, BehindTooManySegmentsAreUnknown) {
  const Encoded jpeg = testing::EncodeJpeg(testing::MakePhoto(16, 16));
  const Encoded comment = testing::JpegSegment(0xFE, {});
  // As many segments as the encoder puts before the frame are looked at, too.
  Encoded with = jpeg;
  int most = 0;
  while (AnnouncedPixels(with) > 0) {
    with = testing::Insert(with, 2, comment);
    ASSERT_LT(++most, 600);
  }
  EXPECT_GT(most, 500);
}

TEST(AnnouncedPixelsTest, OfAnySidesDoNotOverflow) {
  Encoded png = testing::EncodePng(testing::MakePhoto(2, 2));
  for (std::size_t i = 16; i < 24; ++i) {
    png[i] = 0xFF;
  }
  EXPECT_EQ(AnnouncedPixels(png), 0);
  png[16] = png[20] = 0x7F;
  EXPECT_EQ(AnnouncedPixels(png), 0x7FFF'FFFFLL * 0x7FFF'FFFFLL);
}

}  // namespace
}  // namespace resnetd
