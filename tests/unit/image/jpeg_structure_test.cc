#include "server/image/jpeg_structure.h"

#include <gtest/gtest.h>

#include "tests/unit/image/decode_matchers.h"
#include "tests/unit/image/picture_edits.h"

namespace resnetd {
namespace {

using testing::Encoded;
using testing::EncodeJpeg;
using testing::FindMarker;
using testing::Insert;
using testing::JpegOptions;
using testing::MakePhoto;
using testing::OutcomeOf;
using testing::WithoutSegment;

constexpr std::uint8_t kSof0 = 0xC0;
constexpr std::uint8_t kSof2 = 0xC2;
constexpr std::uint8_t kDht = 0xC4;
constexpr std::uint8_t kSos = 0xDA;
constexpr std::uint8_t kDri = 0xDD;

std::string Outcome(const Encoded& jpeg, const DecodeLimits& limits = {}) {
  return OutcomeOf(ReadJpegStructure(jpeg, limits).status());
}

// The bytes of the nth scan: its header and its data.
Encoded ScanOf(const Encoded& jpeg, int nth) {
  const std::size_t begin = FindMarker(jpeg, kSos, nth);
  std::size_t end = begin + 4;
  while (jpeg[end] != 0xFF || jpeg[end + 1] == 0 ||
         (jpeg[end + 1] >= 0xD0 && jpeg[end + 1] <= 0xD7)) {
    ++end;
  }
  return Encoded(jpeg.begin() + static_cast<std::ptrdiff_t>(begin),
                 jpeg.begin() + static_cast<std::ptrdiff_t>(end));
}

TEST(JpegStructureTest, ReadsTheFacts) {
  const Encoded jpeg =
      EncodeJpeg(MakePhoto(97, 61),
                 {.colour = JpegOptions::Colour::kYcck, .progressive = true});
  const absl::StatusOr<JpegStructure> structure = ReadJpegStructure(jpeg, {});
  ASSERT_TRUE(structure.ok()) << structure.status();
  EXPECT_EQ(structure->width, 97);
  EXPECT_EQ(structure->height, 61);
  EXPECT_EQ(structure->components, 4);
  EXPECT_TRUE(structure->progressive);
  EXPECT_GT(structure->scans, 5);
  EXPECT_EQ(structure->size, jpeg.size());
  EXPECT_TRUE(structure->exif.empty());
}

TEST(JpegStructureTest, TakesBytesAfterTheEndAsNoPartOfThePicture) {
  Encoded jpeg = EncodeJpeg(MakePhoto(16, 16));
  const std::size_t size = jpeg.size();
  testing::Append(jpeg, absl::string_view("trailing"));
  const absl::StatusOr<JpegStructure> structure = ReadJpegStructure(jpeg, {});
  ASSERT_TRUE(structure.ok());
  EXPECT_EQ(structure->size, size);
}

TEST(JpegStructureTest, FindsTheExifBlock) {
  const Encoded block = testing::ExifBlock(3, false);
  const Encoded jpeg =
      testing::JpegWithExif(EncodeJpeg(MakePhoto(8, 8)), block);
  const absl::StatusOr<JpegStructure> structure = ReadJpegStructure(jpeg, {});
  ASSERT_TRUE(structure.ok());
  EXPECT_EQ(Encoded(structure->exif.begin(), structure->exif.end()), block);
}

TEST(JpegStructureTest, RefusesOtherKindsOfJpegAsUnsupported) {
  const Encoded jpeg = EncodeJpeg(MakePhoto(16, 16));
  const std::size_t frame = FindMarker(jpeg, kSof0);
  const std::uint8_t markers[] = {0xC3, 0xC5, 0xC6, 0xC7, 0xC9,
                                  0xCA, 0xCB, 0xCD, 0xCE, 0xCF};
  for (const std::uint8_t marker : markers) {
    Encoded other = jpeg;
    other[frame + 1] = marker;
    EXPECT_EQ(Outcome(other), "UNSUPPORTED_FEATURE") << int{marker};
  }
  Encoded twelve_bits = jpeg;
  twelve_bits[frame + 4] = 12;
  EXPECT_EQ(Outcome(twelve_bits), "UNSUPPORTED_FEATURE");
  Encoded height_later = jpeg;
  height_later[frame + 5] = height_later[frame + 6] = 0;
  EXPECT_EQ(Outcome(height_later), "UNSUPPORTED_FEATURE");
  Encoded two_components = jpeg;
  two_components[frame + 9] = 2;
  EXPECT_EQ(Outcome(two_components), "UNSUPPORTED_FEATURE");
}

TEST(JpegStructureTest, RefusesTheAbbreviatedFormat) {
  Encoded jpeg = EncodeJpeg(MakePhoto(16, 16));
  for (int i = 0; i < 4; ++i) {
    jpeg = WithoutSegment(jpeg, FindMarker(jpeg, kDht));
  }
  EXPECT_EQ(Outcome(jpeg), "UNSUPPORTED_FEATURE");
}

TEST(JpegStructureTest, RefusesAMissingFrameOrScan) {
  const Encoded jpeg = EncodeJpeg(MakePhoto(16, 16));
  EXPECT_EQ(Outcome(WithoutSegment(jpeg, FindMarker(jpeg, kSof0))), "CORRUPT");
  EXPECT_EQ(Outcome({0xFF, 0xD8, 0xFF, 0xD9}), "CORRUPT");
  const std::size_t frame = FindMarker(jpeg, kSof0);
  const Encoded segment(jpeg.begin() + static_cast<std::ptrdiff_t>(frame),
                        jpeg.begin() + static_cast<std::ptrdiff_t>(frame + 19));
  EXPECT_EQ(Outcome(Insert(jpeg, frame, segment)), "CORRUPT");
}

TEST(JpegStructureTest, MissesEveryScanOfAProgressivePicture) {
  const Encoded jpeg = EncodeJpeg(MakePhoto(48, 48), {.progressive = true});
  const int scans = ReadJpegStructure(jpeg, {})->scans;
  ASSERT_EQ(scans, 10);
  for (int i = 0; i < scans; ++i) {
    const Encoded scan = ScanOf(jpeg, i);
    Encoded without = jpeg;
    const auto begin = without.begin() +
                       static_cast<std::ptrdiff_t>(FindMarker(jpeg, kSos, i));
    without.erase(begin, begin + static_cast<std::ptrdiff_t>(scan.size()));
    const std::string outcome = testing::Outcome(without);
    // A missing refinement in the middle is noticed by the next one.
    EXPECT_TRUE(outcome == "TRUNCATED" || outcome == "CORRUPT")
        << "scan " << i << ": " << outcome;
  }
}

TEST(JpegStructureTest, MissesAComponentOfSeparateScans) {
  const Encoded jpeg = EncodeJpeg(MakePhoto(32, 32), {.separate_scans = true});
  const std::size_t last = FindMarker(jpeg, kSos, 2);
  Encoded without(jpeg.begin(),
                  jpeg.begin() + static_cast<std::ptrdiff_t>(last));
  testing::Append(without, absl::string_view("\xFF\xD9"));
  EXPECT_EQ(Outcome(without), "TRUNCATED");
  EXPECT_EQ(Outcome(Insert(jpeg, last, ScanOf(jpeg, 0))), "CORRUPT");
}

TEST(JpegStructureTest, RefusesRestartMarkersThatDoNotBelong) {
  const Encoded jpeg = EncodeJpeg(MakePhoto(64, 64), {.restart_interval = 2});
  const std::size_t first = FindMarker(jpeg, 0xD0);
  Encoded wrong_order = jpeg;
  wrong_order[first + 1] = 0xD3;
  EXPECT_EQ(Outcome(wrong_order), "CORRUPT");
  EXPECT_EQ(Outcome(WithoutSegment(jpeg, FindMarker(jpeg, kDri))), "CORRUPT");
}

TEST(JpegStructureTest, RefusesBytesBetweenSegmentsButNotFillBytes) {
  const Encoded jpeg = EncodeJpeg(MakePhoto(16, 16));
  const std::size_t frame = FindMarker(jpeg, kSof0);
  EXPECT_EQ(Outcome(Insert(jpeg, frame, Encoded{0x00})), "CORRUPT");
  EXPECT_EQ(Outcome(Insert(jpeg, frame, Encoded(5, 0xFF))), "ok");
  EXPECT_EQ(Outcome(Insert(jpeg, jpeg.size() - 2, Encoded(5, 0xFF))), "ok");
  EXPECT_EQ(testing::Outcome(Insert(jpeg, jpeg.size() - 2, Encoded(5, 0xFF))),
            "ok");
}

TEST(JpegStructureTest, RefusesDamagedSegments) {
  const Encoded jpeg = EncodeJpeg(MakePhoto(16, 16));
  Encoded short_length = jpeg;
  short_length[FindMarker(jpeg, kSof0) + 3] = 1;
  EXPECT_EQ(Outcome(short_length), "CORRUPT");
  Encoded wrong_table = jpeg;
  wrong_table[FindMarker(jpeg, kDht) + 4] = 0x45;
  EXPECT_EQ(Outcome(wrong_table), "CORRUPT");
  Encoded wrong_component = jpeg;
  wrong_component[FindMarker(jpeg, kSos) + 5] = 99;
  EXPECT_EQ(Outcome(wrong_component), "CORRUPT");
  Encoded same_component = jpeg;
  same_component[FindMarker(jpeg, kSof0) + 13] = 1;
  EXPECT_EQ(Outcome(same_component), "CORRUPT");
  Encoded long_segment = jpeg;
  long_segment[FindMarker(jpeg, kDht) + 2] = 0xFF;
  EXPECT_EQ(Outcome(long_segment), "TRUNCATED");
}

TEST(JpegStructureTest, CountsScansAgainstTheLimit) {
  const Encoded jpeg = EncodeJpeg(MakePhoto(32, 32), {.progressive = true});
  const int scans = ReadJpegStructure(jpeg, {})->scans;
  EXPECT_EQ(Outcome(jpeg, {.max_progressive_scans = scans - 1}),
            "max-progressive-scans");
  EXPECT_EQ(Outcome(jpeg, {.max_progressive_scans = scans}), "ok");
  EXPECT_EQ(Outcome(jpeg, {.max_progressive_scans = scans + 1}), "ok");
}

TEST(JpegStructureTest, ChecksTheSizeBeforeItLooksFurther) {
  Encoded jpeg = EncodeJpeg(MakePhoto(16, 16), {.progressive = true});
  const std::size_t frame = FindMarker(jpeg, kSof2);
  jpeg[frame + 5] = jpeg[frame + 7] = 0xFF;
  jpeg.resize(frame + 19);  // Nothing after the frame header.
  EXPECT_EQ(Outcome(jpeg), "max-image-side");
}

TEST(JpegStructureTest, IsTruncatedAtEveryByte) {
  const Encoded whole = EncodeJpeg(MakePhoto(24, 24), {.restart_interval = 1});
  for (std::size_t size = 2; size < whole.size(); ++size) {
    const Encoded cut(whole.begin(),
                      whole.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_EQ(Outcome(cut), "TRUNCATED") << size;
  }
}

}  // namespace
}  // namespace resnetd
