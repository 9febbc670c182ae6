// A generated corpus of damaged pictures: none may crash the decoder, and none
// may pass for the picture it was.
//
// What "passed" means, since JPEG and WebP carry no checksum:
//   * A picture that is cut short, or whose structure (markers, lengths, sizes,
//     tables of contents, order) is changed, must be refused, unless every
//     pixel is the same as before.
//   * A PNG must be refused whatever bit is changed.
//   * A change inside the payload of a JPEG or WebP (entropy-coded data, the
//     tables and parameters that say how to read it, colour model, orientation)
//     can give another valid stream: the codes fall into step again. No decoder
//     can tell it from a picture that was meant so. Such a file may pass only
//     when the libraries report nothing and the stream is used up to its end;
//     they are counted apart and printed.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "tests/unit/image/corpus.h"
#include "tests/unit/image/decode_matchers.h"
#include "tests/unit/image/picture_edits.h"

namespace resnetd {
namespace {

using testing::Corpus;
using testing::CorpusPicture;
using testing::Encoded;
using testing::Format;

bool IsLong() {
  const char* value = std::getenv(
      "RESNETD_TEST_LONG");  // NOLINT(concurrency-mt-unsafe): one thread
  return value != nullptr && std::string(value) == "1";
}

struct Tally {
  int made = 0;
  int refused = 0;
  int same_pixels = 0;
  int valid_streams = 0;
};

// Decodes damaged pictures and counts how that ended.
class Judge {
 public:
  explicit Judge(const char* suite) : suite_(suite) {}
  ~Judge() {
    for (const auto& [format, tally] : tallies_) {
      std::printf(
          "%s, %s: %d damaged, %d refused, %d with the same pixels, %d other "
          "valid streams\n",
          suite_, format.c_str(), tally.made, tally.refused, tally.same_pixels,
          tally.valid_streams);
    }
  }
  Judge(const Judge&) = delete;
  Judge& operator=(const Judge&) = delete;

  // `may_be_valid`: whether the edit is inside of a payload.
  void Check(const CorpusPicture& picture, const Encoded& damaged,
             bool may_be_valid, const std::string& what) {
    Tally& tally = tallies_[testing::FormatName(picture.format)];
    ++tally.made;
    const absl::StatusOr<Pixels> decoded = DecodeImage(damaged, {});
    if (!decoded.ok()) {
      ++tally.refused;
      EXPECT_EQ(decoded.status().code(), absl::StatusCode::kInvalidArgument)
          << picture.name << ": " << what << ": " << decoded.status();
      return;
    }
    if (decoded->width == picture.pixels.width &&
        decoded->height == picture.pixels.height &&
        decoded->rgb == picture.pixels.rgb) {
      ++tally.same_pixels;
      return;
    }
    ++tally.valid_streams;
    EXPECT_TRUE(may_be_valid) << picture.name << " was accepted: " << what;
  }

  const Tally& tally(Format format) {
    return tallies_[testing::FormatName(format)];
  }

 private:
  const char* suite_;
  std::map<std::string, Tally> tallies_;
};

TEST(DamagedPicturesTest, RefusesATruncationAtEveryPercent) {
  Judge judge("truncated");
  for (const CorpusPicture& picture : Corpus()) {
    const std::size_t size = picture.encoded.size();
    for (std::size_t percent = 0; percent < 100; ++percent) {
      const Encoded cut(picture.encoded.begin(),
                        picture.encoded.begin() +
                            static_cast<std::ptrdiff_t>(size * percent / 100));
      const std::string outcome = testing::Outcome(cut);
      EXPECT_EQ(outcome, cut.empty() ? "EMPTY" : "TRUNCATED")
          << picture.name << " cut to " << percent << " %";
      judge.Check(picture, cut, false, "cut");
    }
  }
}

TEST(DamagedPicturesTest, RefusesTheLastBytesMissing) {
  Judge judge("end missing");
  for (const CorpusPicture& picture : Corpus()) {
    for (std::size_t missing = 1; missing <= 16; ++missing) {
      Encoded cut = picture.encoded;
      cut.resize(cut.size() - missing);
      judge.Check(picture, cut, false, "end missing");
    }
  }
}

TEST(DamagedPicturesTest, RefusesFlippedBits) {
  Judge judge("bit flipped");
  std::mt19937 random(7);
  const int flips = IsLong() ? 400 : 60;
  for (const CorpusPicture& picture : Corpus()) {
    for (int i = 0; i < flips; ++i) {
      const std::size_t at = random() % picture.encoded.size();
      const unsigned bit = random() % 8;
      Encoded damaged = picture.encoded;
      damaged[at] = static_cast<std::uint8_t>(damaged[at] ^ 1U << bit);
      judge.Check(picture, damaged, testing::MayBeValid(picture, damaged, at),
                  "byte " + std::to_string(at) + " bit " + std::to_string(bit));
    }
  }
  EXPECT_EQ(judge.tally(Format::kPng).refused, judge.tally(Format::kPng).made);
}

TEST(DamagedPicturesTest, RefusesBlocksOverwritten) {
  Judge judge("block overwritten");
  std::mt19937 random(11);
  const int blocks = IsLong() ? 100 : 20;
  for (const CorpusPicture& picture : Corpus()) {
    for (int i = 0; i < blocks; ++i) {
      Encoded damaged = picture.encoded;
      const std::size_t begin = random() % damaged.size();
      const std::size_t end = std::min(begin + 64, damaged.size());
      for (std::size_t at = begin; at < end; ++at) {
        damaged[at] = static_cast<std::uint8_t>(i % 3 == 0   ? 0
                                                : i % 3 == 1 ? 0xFF
                                                             : random());
      }
      judge.Check(picture, damaged,
                  testing::MayBeValid(picture, damaged, begin),
                  "64 bytes at " + std::to_string(begin));
    }
  }
  EXPECT_EQ(judge.tally(Format::kPng).refused, judge.tally(Format::kPng).made);
}

TEST(DamagedPicturesTest, RefusesBlocksTakenOut) {
  Judge judge("block taken out");
  std::mt19937 random(13);
  const int blocks = IsLong() ? 100 : 20;
  for (const CorpusPicture& picture : Corpus()) {
    for (int i = 0; i < blocks; ++i) {
      Encoded damaged = picture.encoded;
      const std::size_t begin = random() % damaged.size();
      const std::size_t size =
          std::min<std::size_t>(1U << random() % 7U, damaged.size() - begin);
      const auto first = damaged.begin() + static_cast<std::ptrdiff_t>(begin);
      damaged.erase(first, first + static_cast<std::ptrdiff_t>(size));
      judge.Check(
          picture, damaged, testing::MayBeValid(picture, damaged, begin),
          std::to_string(size) + " bytes out at " + std::to_string(begin));
    }
  }
}

TEST(DamagedPicturesTest, RefusesEditedSizes) {
  Judge judge("size edited");
  for (const CorpusPicture& picture : Corpus()) {
    for (const bool is_width : {true, false}) {
      const int side = is_width ? picture.pixels.width : picture.pixels.height;
      for (const int edited :
           {side - 32, side + 32, side * 2, side / 2, side + 1024, 16'000}) {
        judge.Check(picture, testing::WithSide(picture, is_width, edited),
                    false,
                    (is_width ? "width " : "height ") + std::to_string(edited));
      }
    }
  }
}

TEST(DamagedPicturesTest, RefusesPartsDroppedDoubledAndSwapped) {
  Judge judge("parts moved");
  for (const CorpusPicture& picture : Corpus()) {
    for (const testing::Surgery& surgery : testing::Surgeries(picture)) {
      judge.Check(picture, surgery.damaged, surgery.may_be_valid, surgery.what);
    }
  }
}

}  // namespace
}  // namespace resnetd
