#include "server/image/webp_structure.h"

#include <gtest/gtest.h>

#include "tests/unit/image/decode_matchers.h"
#include "tests/unit/image/picture_edits.h"

namespace resnetd {
namespace {

using testing::Encoded;
using testing::EncodeWebp;
using testing::ExtendedHeader;
using testing::MakePhoto;
using testing::OutcomeOf;
using testing::RiffBody;
using testing::RiffChunk;
using testing::RiffFile;

std::string Outcome(const Encoded& webp) {
  return OutcomeOf(ReadWebpStructure(webp).status());
}

Encoded Lossless() { return EncodeWebp(MakePhoto(20, 10), {.lossless = true}); }

TEST(WebpStructureTest, ReadsTheFacts) {
  const Encoded webp = Lossless();
  const absl::StatusOr<WebpStructure> structure = ReadWebpStructure(webp);
  ASSERT_TRUE(structure.ok()) << structure.status();
  EXPECT_EQ(structure->size, webp.size());
  EXPECT_EQ(structure->picture_end, 20 + RiffBody(webp, "VP8L").size());
  EXPECT_TRUE(structure->exif.empty());
}

TEST(WebpStructureTest, TakesBytesAfterTheEndAsNoPartOfThePicture) {
  Encoded webp = Lossless();
  const std::size_t size = webp.size();
  testing::Append(webp, absl::string_view("trailing"));
  const absl::StatusOr<WebpStructure> structure = ReadWebpStructure(webp);
  ASSERT_TRUE(structure.ok());
  EXPECT_EQ(structure->size, size);
}

TEST(WebpStructureTest, IsTruncatedAtEveryByte) {
  const Encoded whole = Lossless();
  for (std::size_t size = 12; size < whole.size(); ++size) {
    const Encoded cut(whole.begin(),
                      whole.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_EQ(Outcome(cut), "TRUNCATED") << size;
  }
}

TEST(WebpStructureTest, FindsTheExifBlock) {
  const Encoded block = testing::ExifBlock(5, true);
  const Encoded webp = testing::WebpWithExif(Lossless(), block, 20, 10);
  const absl::StatusOr<WebpStructure> structure = ReadWebpStructure(webp);
  ASSERT_TRUE(structure.ok()) << structure.status();
  EXPECT_EQ(Encoded(structure->exif.begin(), structure->exif.end()), block);
}

TEST(WebpStructureTest, RefusesAnimations) {
  const Encoded picture = RiffChunk("VP8L", RiffBody(Lossless(), "VP8L"));
  // A frame: place, size, duration and flags before the picture.
  Encoded frame(16, 0);
  testing::Append(frame, picture);
  const Encoded header = ExtendedHeader(2, 20, 10);
  const Encoded animation = RiffChunk("ANIM", Encoded(6, 0));
  const Encoded chunks[] = {header, animation, RiffChunk("ANMF", frame)};
  EXPECT_EQ(Outcome(RiffFile(chunks)), "ANIMATED");
  // Also when the header does not say so.
  const Encoded unannounced[] = {ExtendedHeader(0, 20, 10), chunks[1],
                                 chunks[2]};
  EXPECT_EQ(Outcome(RiffFile(unannounced)), "ANIMATED");
}

TEST(WebpStructureTest, RefusesSizesThatDoNotFit) {
  const Encoded webp = Lossless();
  Encoded file_size = webp;
  file_size[4] = static_cast<std::uint8_t>(file_size[4] - 2);
  EXPECT_EQ(Outcome(file_size), "CORRUPT");
  file_size[4] = 0;
  file_size[5] = 0;
  EXPECT_EQ(Outcome(file_size), "CORRUPT");
  file_size[7] = 0xFF;
  EXPECT_EQ(Outcome(file_size), "TRUNCATED");
  Encoded chunk_size = webp;
  chunk_size[17] = 0xFF;
  EXPECT_EQ(Outcome(chunk_size), "CORRUPT");
}

TEST(WebpStructureTest, RefusesChunksInImpossibleOrder) {
  const Encoded picture = RiffChunk("VP8L", RiffBody(Lossless(), "VP8L"));
  const Encoded twice[] = {ExtendedHeader(0, 20, 10), picture, picture};
  EXPECT_EQ(Outcome(RiffFile(twice)), "CORRUPT");
  const Encoded late[] = {picture, ExtendedHeader(0, 20, 10)};
  EXPECT_EQ(Outcome(RiffFile(late)), "CORRUPT");
  const Encoded none[] = {ExtendedHeader(0, 20, 10)};
  EXPECT_EQ(Outcome(RiffFile(none)), "CORRUPT");
  const Encoded strange[] = {RiffChunk("JUNK", Encoded(4, 0)), picture};
  EXPECT_EQ(Outcome(RiffFile(strange)), "CORRUPT");
  const Encoded short_header[] = {RiffChunk("VP8X", Encoded(4, 0)), picture};
  EXPECT_EQ(Outcome(RiffFile(short_header)), "CORRUPT");
}

}  // namespace
}  // namespace resnetd
