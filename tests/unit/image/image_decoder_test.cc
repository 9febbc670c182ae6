#include "server/image/image_decoder.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <chrono>
#include <cstdio>
#include <latch>
#include <thread>
#include <vector>

#include "server/image/jpeg_structure.h"
#include "server/image/preprocess.h"
#include "tests/unit/image/allocation_counter.h"
#include "tests/unit/image/decode_matchers.h"
#include "tests/unit/image/picture_edits.h"

namespace resnetd {
namespace {

using testing::Encoded;
using testing::EncodeJpeg;
using testing::EncodePng;
using testing::EncodeWebp;
using testing::MakePhoto;
using testing::Outcome;

Encoded Text(absl::string_view text) {
  return Encoded(text.begin(), text.end());
}

TEST(ImageDecoderTest, NamesEveryCause) {
  EXPECT_EQ(DecodeCauseName(DecodeCause::kEmpty), "EMPTY");
  EXPECT_EQ(DecodeCauseName(DecodeCause::kUnsupportedFormat),
            "UNSUPPORTED_FORMAT");
  EXPECT_EQ(DecodeCauseName(DecodeCause::kUnsupportedFeature),
            "UNSUPPORTED_FEATURE");
  EXPECT_EQ(DecodeCauseName(DecodeCause::kTruncated), "TRUNCATED");
  EXPECT_EQ(DecodeCauseName(DecodeCause::kCorrupt), "CORRUPT");
  EXPECT_EQ(DecodeCauseName(DecodeCause::kAnimated), "ANIMATED");
}

TEST(ImageDecoderTest, RefusesNoBytesAtAll) { EXPECT_EQ(Outcome({}), "EMPTY"); }

TEST(ImageDecoderTest, RefusesEveryFormatThatIsNotOnTheList) {
  const Encoded others[] = {
      Text("GIF89a\x01\x01"),
      Text("BM\x9a\x10"),
      Encoded{'I', 'I', 42, 0, 8, 0, 0, 0},
      Encoded{0, 0, 0, 12, 'j', 'P', ' ', ' '},
      Text("P6\n1 1\n255\nabc"),
      Text("#?RADIANCE"),
      Encoded{0x76, 0x2F, 0x31, 0x01},
      Text("\x59\xA6\x6A\x95"),
      Encoded(200, 0),
      Text("RIFF\x24\x10\x10\x10WAVEfmt "),
      Text("just a text file\n"),
      Encoded{0xFF, 0xD8, 0x00},
      Text("\x89PNG\r\n\x1A\rxxxx"),
  };
  for (const Encoded& other : others) {
    EXPECT_EQ(Outcome(other), "UNSUPPORTED_FORMAT");
  }
}

TEST(ImageDecoderTest, CallsThePrefixOfAKnownFormatTruncated) {
  for (const Encoded& whole :
       {EncodeJpeg(MakePhoto(9, 9)), EncodePng(MakePhoto(9, 9)),
        EncodeWebp(MakePhoto(9, 9))}) {
    for (std::ptrdiff_t size = 1; size < 12; ++size) {
      EXPECT_EQ(Outcome(Encoded(whole.begin(), whole.begin() + size)),
                "TRUNCATED")
          << size;
    }
  }
}

TEST(ImageDecoderTest, IgnoresBytesAfterThePicture) {
  const Encoded pictures[] = {EncodeJpeg(MakePhoto(19, 9)),
                              EncodePng(MakePhoto(19, 9)),
                              EncodeWebp(MakePhoto(19, 9))};
  for (const Encoded& picture : pictures) {
    Encoded longer = picture;
    testing::Append(longer, absl::string_view("\xFF\xD8\xFF, more\0", 9));
    const absl::StatusOr<Pixels> decoded = DecodeImage(longer, {});
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    EXPECT_EQ(decoded->rgb, DecodeImage(picture, {})->rgb);
  }
}

TEST(ImageDecoderTest, LimitsTheEncodedBytes) {
  for (const Encoded& picture :
       {EncodeJpeg(MakePhoto(19, 9)), EncodePng(MakePhoto(19, 9)),
        EncodeWebp(MakePhoto(19, 9))}) {
    const std::size_t size = picture.size();
    EXPECT_EQ(Outcome(picture, {.max_encoded_bytes = size + 1}), "ok");
    EXPECT_EQ(Outcome(picture, {.max_encoded_bytes = size}), "ok");
    EXPECT_EQ(Outcome(picture, {.max_encoded_bytes = size - 1}),
              "max-image-bytes");
  }
}

TEST(ImageDecoderTest, LimitsSidesAndAreaOfEveryFormat) {
  const Pixels photo = MakePhoto(20, 10);
  for (const Encoded& picture :
       {EncodeJpeg(photo), EncodePng(photo), EncodeWebp(photo),
        EncodeWebp(photo, {.lossless = true})}) {
    EXPECT_EQ(Outcome(picture, {.max_side = 21}), "ok");
    EXPECT_EQ(Outcome(picture, {.max_side = 20}), "ok");
    EXPECT_EQ(Outcome(picture, {.max_side = 19}), "max-image-side");
    EXPECT_EQ(Outcome(picture, {.max_pixels = 201}), "ok");
    EXPECT_EQ(Outcome(picture, {.max_pixels = 200}), "ok");
    EXPECT_EQ(Outcome(picture, {.max_pixels = 199}), "max-image-pixels");
  }
}

TEST(ImageDecoderTest, SaysWhichLimitAndHowFarOver) {
  const absl::Status error =
      DecodeImage(EncodePng(MakePhoto(20, 10)), {.max_pixels = 150}).status();
  EXPECT_EQ(error.message(),
            "image is 20x10 = 200 pixels, at most 150 are accepted; scale it "
            "down");
  EXPECT_EQ(testing::MetadataOf(error, "limit"), "150");
  EXPECT_EQ(testing::MetadataOf(error, "value"), "200");
}

// A PNG of one grey bit a pixel, all white: the most pixels for its bytes.
Encoded PngBomb(int side) {
  const auto row = static_cast<std::size_t>(side / 8 + 1);
  Encoded raw(row * static_cast<std::size_t>(side), 0);
  uLongf size = compressBound(raw.size());
  Encoded packed(size);
  compress2(packed.data(), &size, raw.data(), raw.size(), 1);
  packed.resize(size);
  Encoded header;
  testing::AppendBig32(header, static_cast<std::uint32_t>(side));
  testing::AppendBig32(header, static_cast<std::uint32_t>(side));
  testing::Append(header, absl::string_view("\1\0\0\0\0", 5));
  Encoded bomb = Text("\x89PNG\r\n\x1A\n");
  testing::Append(bomb, testing::PngChunk("IHDR", header));
  testing::Append(bomb, testing::PngChunk("IDAT", packed));
  testing::Append(bomb, testing::PngChunk("IEND", {}));
  return bomb;
}

Encoded JpegBomb() {
  Encoded bomb = EncodeJpeg(MakePhoto(64, 64), {.progressive = true});
  const std::size_t frame = testing::FindMarker(bomb, 0xC2);
  bomb[frame + 5] = bomb[frame + 7] = 32'000 / 256;
  bomb[frame + 6] = bomb[frame + 8] = 32'000 % 256;
  return bomb;
}

// A flat picture of the largest size a WebP can have.
Encoded WebpBomb() {
  const int side = 16'383;
  Encoded body = testing::RiffBody(
      EncodeWebp(MakePhoto(8, 8), {.lossless = true}), "VP8L");
  const std::uint32_t size = static_cast<std::uint32_t>(side - 1) | (side - 1U)
                                                                        << 14U;
  for (std::size_t i = 0; i < 4; ++i) {
    body[1 + i] = static_cast<std::uint8_t>(size >> 8U * i);
  }
  const Encoded chunks[] = {testing::RiffChunk("VP8L", body)};
  return testing::RiffFile(chunks);
}

TEST(ImageDecoderTest, RefusesBombsBeforeItAllocates) {
  struct Case {
    const char* name;
    Encoded bomb;
    const char* outcome;
  };
  const Case cases[] = {
      {"PNG 32000x32000, 1 bit", PngBomb(32'000), "max-image-side"},
      {"PNG 16000x16000, 1 bit", PngBomb(16'000), "max-image-pixels"},
      {"JPEG with a size of 32000x32000", JpegBomb(), "max-image-side"},
      {"WebP 16383x16383", WebpBomb(), "max-image-pixels"},
  };
  for (const Case& c : cases) {
    const std::size_t before = testing::AllocatedBytes();
    const auto start = std::chrono::steady_clock::now();
    const absl::Status error = DecodeImage(c.bomb, {}).status();
    const std::chrono::duration<double, std::micro> taken =
        std::chrono::steady_clock::now() - start;
    // What is allocated is the text of the error.
    EXPECT_LT(testing::AllocatedBytes() - before, 4096U) << c.name;
    EXPECT_EQ(testing::OutcomeOf(error), c.outcome) << c.name;
    std::printf("%s: %zu bytes refused in %.0f us\n", c.name, c.bomb.size(),
                taken.count());
  }
}

TEST(ImageDecoderTest, DecodesOnSeveralThreadsAtOnce) {
  const Pixels photo = MakePhoto(61, 40);
  const Encoded pictures[] = {
      EncodeJpeg(photo, {.progressive = true}), EncodePng(photo),
      EncodeWebp(photo, {.lossless = true}), Text("not a picture")};
  std::vector<Encoded> expected;
  for (const Encoded& picture : pictures) {
    const absl::StatusOr<Pixels> decoded = DecodeImage(picture, {});
    expected.push_back(
        decoded.ok() ? ResizeAndCrop(*decoded, {.resize = 32, .crop = 24}).rgb
                     : Encoded());
  }
  std::latch start(4);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      start.arrive_and_wait();
      for (int round = 0; round < 8; ++round) {
        for (std::size_t p = 0; p < 4; ++p) {
          const absl::StatusOr<Pixels> decoded = DecodeImage(pictures[p], {});
          ASSERT_EQ(decoded.ok(), !expected[p].empty());
          if (decoded.ok()) {
            ASSERT_EQ(ResizeAndCrop(*decoded, {.resize = 32, .crop = 24}).rgb,
                      expected[p]);
          }
        }
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

TEST(ImageDecoderTest, LimitsTheScansOfAJpeg) {
  const Encoded jpeg = EncodeJpeg(MakePhoto(16, 16), {.progressive = true});
  const int scans = ReadJpegStructure(jpeg, {})->scans;
  ASSERT_GT(scans, 2);
  EXPECT_EQ(Outcome(jpeg, {.max_progressive_scans = scans + 1}), "ok");
  EXPECT_EQ(Outcome(jpeg, {.max_progressive_scans = scans}), "ok");
  EXPECT_EQ(Outcome(jpeg, {.max_progressive_scans = scans - 1}),
            "max-progressive-scans");
}

TEST(ImageDecoderTest, RefusesAnEndlessListOfScans) {
  // 65 scans: each would cost a pass over the whole picture.
  Encoded jpeg = EncodeJpeg(MakePhoto(16, 16), {.progressive = true});
  const std::size_t scan = testing::FindMarker(jpeg, 0xDA);
  const std::size_t next = testing::FindMarker(jpeg, 0xDA, 1);
  const Encoded first(jpeg.begin() + static_cast<std::ptrdiff_t>(scan),
                      jpeg.begin() + static_cast<std::ptrdiff_t>(next));
  for (int i = 0; i < 65; ++i) {
    jpeg = testing::Insert(jpeg, scan, first);
  }
  EXPECT_EQ(Outcome(jpeg), "max-progressive-scans");
}

}  // namespace
}  // namespace resnetd
