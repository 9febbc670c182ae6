#include "server/image/exif.h"

#include <gtest/gtest.h>

#include "tests/unit/image/picture_edits.h"

namespace resnetd {
namespace {

using testing::Append;
using testing::Encoded;
using testing::ExifBlock;

TEST(ExifTest, ReadsEveryOrientationInBothByteOrders) {
  for (int orientation = 1; orientation <= 8; ++orientation) {
    EXPECT_EQ(ReadOrientation(ExifBlock(orientation, false)), orientation);
    EXPECT_EQ(ReadOrientation(ExifBlock(orientation, true)), orientation);
  }
}

TEST(ExifTest, PassesOverThePrefixOfJpegSegments) {
  Encoded block;
  Append(block, absl::string_view("Exif\0\0", 6));
  Append(block, ExifBlock(6, true));
  EXPECT_EQ(ReadOrientation(block), 6);
}

TEST(ExifTest, TakesValuesOutsideOfOneToEightAsUpright) {
  EXPECT_EQ(ReadOrientation(ExifBlock(0, false)), 1);
  EXPECT_EQ(ReadOrientation(ExifBlock(9, false)), 1);
  EXPECT_EQ(ReadOrientation(ExifBlock(0x0600, true)), 1);
}

TEST(ExifTest, TakesALongOrAByteForAShort) {
  constexpr std::size_t kSecondEntry = 8 + 2 + 12;
  Encoded block = ExifBlock(6, false);
  block[kSecondEntry + 2] = 4;
  EXPECT_EQ(ReadOrientation(block), 6);
  block[kSecondEntry + 2] = 1;
  EXPECT_EQ(ReadOrientation(block), 6);
  block[kSecondEntry + 2] = 2;  // Text is not an orientation.
  EXPECT_EQ(ReadOrientation(block), 1);
}

TEST(ExifTest, IgnoresSeveralValues) {
  Encoded block = ExifBlock(6, false);
  block[8 + 2 + 12 + 4] = 2;
  EXPECT_EQ(ReadOrientation(block), 1);
}

TEST(ExifTest, IgnoresABlockThatIsNotTiff) {
  EXPECT_EQ(ReadOrientation({}), 1);
  Encoded block = ExifBlock(6, false);
  block[0] = 'X';
  EXPECT_EQ(ReadOrientation(block), 1);
}

TEST(ExifTest, IgnoresADirectoryOutsideOfTheBlock) {
  for (const std::uint8_t high :
       {std::uint8_t{0x00}, std::uint8_t{0x7F}, std::uint8_t{0xFF}}) {
    Encoded block = ExifBlock(6, false);
    block[4] = 0xFF;
    block[7] = high;
    EXPECT_EQ(ReadOrientation(block), 1);
  }
}

TEST(ExifTest, ReadsNothingBeyondABlockCutAtAnyByte) {
  const Encoded whole = ExifBlock(6, true);
  constexpr std::size_t kEndOfOrientation = 8 + 2 + 2 * 12;
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    // A copy of exactly that size, so that the sanitizer sees a read beyond.
    const Encoded cut(whole.begin(),
                      whole.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_EQ(ReadOrientation(cut), size >= kEndOfOrientation ? 6 : 1) << size;
  }
}

TEST(ExifTest, SurvivesADirectoryThatClaimsTooManyEntries) {
  Encoded block = ExifBlock(6, false);
  block[8] = 0xFF;
  block[9] = 0xFF;
  EXPECT_EQ(ReadOrientation(block), 6);
}

}  // namespace
}  // namespace resnetd
