#include "server/image/png_structure.h"

#include <gtest/gtest.h>

#include "tests/unit/image/decode_matchers.h"
#include "tests/unit/image/picture_edits.h"

namespace resnetd {
namespace {

using testing::Encoded;
using testing::EncodePng;
using testing::FindChunk;
using testing::FixChecksum;
using testing::Insert;
using testing::MakePng;
using testing::OutcomeOf;
using testing::PngChunk;

std::string Outcome(const Encoded& png, const DecodeLimits& limits = {}) {
  return OutcomeOf(ReadPngStructure(png, limits).status());
}

Encoded Small() { return EncodePng(testing::MakePhoto(20, 10)); }

TEST(PngStructureTest, ReadsTheFacts) {
  testing::PngPicture picture = MakePng(20, 10, 6, 8);
  picture.interlaced = true;
  const Encoded png = EncodePng(picture);
  const absl::StatusOr<PngStructure> structure = ReadPngStructure(png, {});
  ASSERT_TRUE(structure.ok()) << structure.status();
  EXPECT_EQ(structure->width, 20);
  EXPECT_EQ(structure->height, 10);
  EXPECT_TRUE(structure->interlaced);
  EXPECT_TRUE(structure->has_alpha);
  EXPECT_EQ(structure->size, png.size());
  EXPECT_TRUE(structure->exif.empty());
}

TEST(PngStructureTest, TakesBytesAfterTheEndAsNoPartOfThePicture) {
  Encoded png = Small();
  const std::size_t size = png.size();
  testing::Append(png, absl::string_view("trailing"));
  const absl::StatusOr<PngStructure> structure = ReadPngStructure(png, {});
  ASSERT_TRUE(structure.ok());
  EXPECT_EQ(structure->size, size);
}

TEST(PngStructureTest, IsTruncatedAtEveryByte) {
  const Encoded whole = Small();
  for (std::size_t size = 8; size < whole.size(); ++size) {
    const Encoded cut(whole.begin(),
                      whole.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_EQ(Outcome(cut), "TRUNCATED") << size;
  }
}

TEST(PngStructureTest, SeesEveryFlippedBit) {
  const Encoded whole = Small();
  for (std::size_t bit = 64; bit < whole.size() * 8; ++bit) {
    Encoded flipped = whole;
    flipped[bit / 8] =
        static_cast<std::uint8_t>(flipped[bit / 8] ^ 1U << bit % 8);
    EXPECT_NE(Outcome(flipped), "ok") << bit;
  }
}

TEST(PngStructureTest, VerifiesTheChecksumOfChunksNobodyNeeds) {
  const Encoded png = Small();
  Encoded chunk = PngChunk("tEXt", Encoded{'a', 0, 'b'});
  EXPECT_EQ(Outcome(Insert(png, FindChunk(png, "IDAT"), chunk)), "ok");
  chunk.back() = static_cast<std::uint8_t>(chunk.back() ^ 1U);
  EXPECT_EQ(Outcome(Insert(png, FindChunk(png, "IDAT"), chunk)), "CORRUPT");
}

TEST(PngStructureTest, RefusesAnimations) {
  const Encoded png = Small();
  const std::size_t data = FindChunk(png, "IDAT");
  EXPECT_EQ(Outcome(Insert(png, data,
                           PngChunk("acTL", Encoded{0, 0, 0, 2, 0, 0, 0, 0}))),
            "ANIMATED");
  // One frame is a still picture.
  EXPECT_EQ(Outcome(Insert(png, data,
                           PngChunk("acTL", Encoded{0, 0, 0, 1, 0, 0, 0, 0}))),
            "ok");
}

TEST(PngStructureTest, RefusesUnknownCriticalChunks) {
  const Encoded png = Small();
  EXPECT_EQ(Outcome(Insert(png, FindChunk(png, "IDAT"), PngChunk("NEED", {}))),
            "UNSUPPORTED_FEATURE");
}

TEST(PngStructureTest, RefusesChunksInImpossibleOrder) {
  const Encoded png = Small();
  const std::size_t data = FindChunk(png, "IDAT");
  const std::size_t end = FindChunk(png, "IEND");
  const Encoded header(png.begin() + 8, png.begin() + 33);
  EXPECT_EQ(Outcome(Insert(png, data, header)), "CORRUPT");  // Twice.
  EXPECT_EQ(Outcome(Insert(png, 8, PngChunk("tEXt", Encoded{'a', 0, 'b'}))),
            "CORRUPT");
  EXPECT_EQ(Outcome(Insert(png, data, PngChunk("IEND", {}))), "CORRUPT");
  Encoded apart = Insert(png, end, PngChunk("IDAT", Encoded{1}));
  EXPECT_EQ(Outcome(apart), "ok");  // One after the other is how it is.
  apart = Insert(apart, end, PngChunk("tEXt", Encoded{'a', 0, 'b'}));
  EXPECT_EQ(Outcome(apart), "CORRUPT");
  Encoded long_end = png;
  long_end.resize(end);
  testing::Append(long_end, PngChunk("IEND", Encoded{1}));
  EXPECT_EQ(Outcome(long_end), "CORRUPT");
}

TEST(PngStructureTest, RefusesDamagedChunkHeaders) {
  const Encoded png = Small();
  const std::size_t data = FindChunk(png, "IDAT");
  Encoded name = png;
  name[data + 4] = '1';
  FixChecksum(name, data);
  EXPECT_EQ(Outcome(name), "CORRUPT");
  Encoded length = png;
  length[data] = 0x80;
  EXPECT_EQ(Outcome(length), "CORRUPT");
  length[data] = 0x7F;
  EXPECT_EQ(Outcome(length), "TRUNCATED");
}

TEST(PngStructureTest, ChecksTheSizeBeforeItLooksFurther) {
  Encoded png = Small();
  png[16] = 0x7F;  // The checksum does not fit any more, and need not.
  png.resize(8 + 25);
  EXPECT_EQ(Outcome(png), "max-image-side");
}

TEST(PngStructureTest, FindsTheExifBlockBeforeAndAfterTheData) {
  const Encoded block = testing::ExifBlock(5, true);
  const Encoded png = Small();
  for (const absl::string_view before : {"IDAT", "IEND"}) {
    const Encoded with =
        Insert(png, FindChunk(png, before), PngChunk("eXIf", block));
    const absl::StatusOr<PngStructure> structure = ReadPngStructure(with, {});
    ASSERT_TRUE(structure.ok()) << structure.status();
    EXPECT_EQ(Encoded(structure->exif.begin(), structure->exif.end()), block);
  }
}

}  // namespace
}  // namespace resnetd
