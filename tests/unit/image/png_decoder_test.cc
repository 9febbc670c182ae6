#include <gtest/gtest.h>

#include <array>
#include <tuple>

#include "server/image/format_decoders.h"
#include "tests/unit/image/decode_matchers.h"
#include "tests/unit/image/picture_edits.h"

namespace resnetd {
namespace {

using testing::Encoded;
using testing::EncodePng;
using testing::FindChunk;
using testing::Insert;
using testing::MakePng;
using testing::Outcome;
using testing::PngChunk;
using testing::PngPicture;

// The RGBA of one pixel by PNG's definition: 8 bits by repeating the value over
// the range, or the high byte of 16; a tRNS colour is compared at full depth.
std::array<int, 4> Rgba(const PngPicture& png, std::size_t pixel) {
  const std::uint16_t* v =
      &png.samples[pixel * static_cast<std::size_t>(png.Channels())];
  const auto to8 = [&](int value) {
    return png.bit_depth == 16 ? value >> 8
                               : value * 255 / ((1 << png.bit_depth) - 1);
  };
  const auto& trns = png.transparency;
  const auto is_key = [&](std::size_t i) {
    return (trns[2 * i] << 8 | trns[2 * i + 1]) == v[i];
  };
  switch (png.colour_type) {
    case 0:
      return {to8(v[0]), to8(v[0]), to8(v[0]),
              !trns.empty() && is_key(0) ? 0 : 255};
    case 2:
      return {to8(v[0]), to8(v[1]), to8(v[2]),
              !trns.empty() && is_key(0) && is_key(1) && is_key(2) ? 0 : 255};
    case 3: {
      const std::size_t entry = std::size_t{v[0]} * 3;
      return {png.palette[entry], png.palette[entry + 1],
              png.palette[entry + 2], v[0] < trns.size() ? trns[v[0]] : 255};
    }
    case 4:
      return {to8(v[0]), to8(v[0]), to8(v[0]), to8(v[1])};
    default:
      return {to8(v[0]), to8(v[1]), to8(v[2]), to8(v[3])};
  }
}

std::vector<std::uint8_t> ExpectedRgb(const PngPicture& png) {
  std::vector<std::uint8_t> rgb;
  const auto pixels = static_cast<std::size_t>(png.width * png.height);
  for (std::size_t i = 0; i < pixels; ++i) {
    const std::array<int, 4> rgba = Rgba(png, i);
    for (std::size_t c = 0; c < 3; ++c) {
      const int twice = 2 * (rgba[c] * rgba[3] + 255 * (255 - rgba[3]));
      rgb.push_back(static_cast<std::uint8_t>((twice + 255) / 510));
    }
  }
  return rgb;
}

// Colour type, bit depth, interlaced, transparent.
using Kind = std::tuple<int, int, bool, bool>;

std::vector<Kind> AllKinds() {
  std::vector<Kind> kinds;
  for (const bool interlaced : {false, true}) {
    for (const bool transparent : {false, true}) {
      for (const int depth : {1, 2, 4, 8, 16}) {
        kinds.emplace_back(0, depth, interlaced, transparent);
        if (depth <= 8) {
          kinds.emplace_back(3, depth, interlaced, transparent);
        }
        if (depth >= 8) {
          kinds.emplace_back(2, depth, interlaced, transparent);
        }
        if (depth >= 8 && !transparent) {
          kinds.emplace_back(4, depth, interlaced, false);
          kinds.emplace_back(6, depth, interlaced, false);
        }
      }
    }
  }
  return kinds;
}

PngPicture MakeKind(const Kind& kind, int width, int height) {
  const auto& [type, depth, interlaced, transparent] = kind;
  PngPicture png = MakePng(width, height, type, depth);
  png.interlaced = interlaced;
  if (transparent && type == 3) {
    for (int i = 0; i < 1 << depth; ++i) {
      png.transparency.push_back(static_cast<std::uint8_t>(i * 37 + 5));
    }
  } else if (transparent) {
    // The colour of the first pixel; the last one differs from it in the lowest
    // bit only, which at 16 bits does not show in the picture.
    const auto channels = static_cast<std::size_t>(png.Channels());
    for (std::size_t c = 0; c < channels; ++c) {
      const std::uint16_t value = png.samples[c];
      png.transparency.push_back(static_cast<std::uint8_t>(value >> 8U));
      png.transparency.push_back(static_cast<std::uint8_t>(value));
      png.samples[png.samples.size() - channels + c] =
          static_cast<std::uint16_t>(c == 0 ? value ^ 1U : value);
    }
  }
  return png;
}

TEST(PngDecoderTest, DecodesEveryKindExactly) {
  for (const Kind& kind : AllKinds()) {
    for (const auto& [width, height] : {std::pair{1, 1}, {3, 2}, {37, 29}}) {
      const PngPicture png = MakeKind(kind, width, height);
      const absl::StatusOr<Pixels> decoded = DecodeImage(EncodePng(png), {});
      const auto& [type, depth, interlaced, transparent] = kind;
      ASSERT_TRUE(decoded.ok())
          << decoded.status() << " type " << type << " depth " << depth;
      EXPECT_EQ(decoded->width, width);
      EXPECT_EQ(decoded->height, height);
      EXPECT_EQ(decoded->rgb, ExpectedRgb(png))
          << "type " << type << " depth " << depth << " interlaced "
          << interlaced << " transparent " << transparent;
    }
  }
}

TEST(PngDecoderTest, RefusesAnIndexBeyondThePalette) {
  PngPicture png = MakePng(8, 8, 3, 4);
  png.samples.assign(64, 0);
  png.palette.resize(9);
  EXPECT_EQ(Outcome(EncodePng(png)), "ok");
  png.samples[63] = 3;
  EXPECT_EQ(Outcome(EncodePng(png)), "CORRUPT");
}

TEST(PngDecoderTest, RefusesAPaletteThatIsMissing) {
  PngPicture png = MakePng(8, 8, 3, 4);
  png.palette.clear();
  EXPECT_EQ(Outcome(EncodePng(png)), "CORRUPT");
}

TEST(PngDecoderTest, RefusesRowsThatAreMissingOrTooMany) {
  const Encoded png = EncodePng(testing::MakePhoto(20, 20));
  for (const std::uint8_t height : {std::uint8_t{19}, std::uint8_t{21}}) {
    Encoded edited = png;
    edited[23] = height;
    testing::FixChecksum(edited, 8);
    EXPECT_EQ(Outcome(edited), "CORRUPT") << int{height};
  }
}

TEST(PngDecoderTest, RefusesHeadersThatAreNotPng) {
  const Encoded png = EncodePng(testing::MakePhoto(20, 20));
  for (const std::size_t field : {24U, 25U, 26U, 27U, 28U}) {
    Encoded edited = png;
    edited[field] = 7;  // No depth, colour type or method has this number.
    testing::FixChecksum(edited, 8);
    EXPECT_EQ(Outcome(edited), "CORRUPT") << field;
  }
}

TEST(PngDecoderTest, PassesOverCompressedTextAndProfiles) {
  // Would unpack to 64 MiB, and is not even valid: it is never looked into.
  Encoded text;
  testing::Append(text, absl::string_view("name\0\0", 6));
  text.resize(65'536, 0x78);
  const Encoded png = EncodePng(testing::MakePhoto(9, 9));
  const std::size_t data = FindChunk(png, "IDAT");
  for (const absl::string_view type : {"iCCP", "zTXt", "iTXt", "tIME", "gAMA",
                                       "sRGB", "cHRM", "pHYs", "prVt"}) {
    const Encoded with = Insert(png, data, PngChunk(type, text));
    const absl::StatusOr<Pixels> decoded = DecodeImage(with, {});
    ASSERT_TRUE(decoded.ok()) << type << ": " << decoded.status();
    EXPECT_EQ(decoded->rgb, testing::MakePhoto(9, 9).rgb);
  }
}

TEST(PngDecoderTest, RefusesATransparencyThatDoesNotFit) {
  PngPicture png = MakePng(8, 8, 2, 8);
  png.transparency = {0, 1};  // Of RGB, six bytes.
  EXPECT_EQ(Outcome(EncodePng(png)), "CORRUPT");
}

TEST(PngDecoderTest, TurnsThePictureAsItsExifSays) {
  const Pixels photo = testing::MakePhoto(6, 4);
  const Encoded png =
      testing::PngWithExif(EncodePng(photo), testing::ExifBlock(8, false));
  const absl::StatusOr<Pixels> upright = DecodeImage(png, {});
  ASSERT_TRUE(upright.ok()) << upright.status();
  EXPECT_EQ(upright->width, 4);
  EXPECT_EQ(upright->height, 6);
  // To be turned anticlockwise: what is on the upper right comes to the upper
  // left.
  EXPECT_EQ(upright->rgb[0], photo.rgb[5U * 3U]);
}

}  // namespace
}  // namespace resnetd
