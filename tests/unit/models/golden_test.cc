#include "server/models/golden.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "server/base/error.h"
#include "server/base/sha256.h"
#include "tests/support/fake_model.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct Rgb {
  int red;
  int green;
  int blue;
  friend bool operator==(const Rgb&, const Rgb&) = default;
};

Rgb At(const Pixels& pixels, int x, int y) {
  const auto at = static_cast<std::size_t>(3 * (y * pixels.width + x));
  return {pixels.rgb[at], pixels.rgb[at + 1], pixels.rgb[at + 2]};
}

TEST(GoldenPicturesTest, HaveTheNetworksSize) {
  for (const int side : {8, 9, 224, 257}) {
    const std::vector<Pixels> pictures = GoldenPictures(side);
    ASSERT_EQ(pictures.size(), std::size_t{kGoldenPictures});
    for (const Pixels& picture : pictures) {
      EXPECT_EQ(picture.width, side);
      EXPECT_EQ(picture.height, side);
      EXPECT_EQ(picture.rgb.size(), static_cast<std::size_t>(side) *
                                        static_cast<std::size_t>(side) * 3);
    }
  }
}

TEST(GoldenPicturesTest, AreNoisePatchesAndRamps) {
  const std::vector<Pixels> pictures = GoldenPictures(32);
  EXPECT_NE(At(pictures[0], 0, 0), At(pictures[0], 1, 0));
  EXPECT_EQ(At(pictures[1], 0, 0), At(pictures[1], 3, 3));
  EXPECT_NE(At(pictures[1], 3, 3), At(pictures[1], 4, 3));
  EXPECT_NE(At(pictures[1], 3, 3), At(pictures[1], 3, 4));
  EXPECT_EQ(At(pictures[2], 0, 0), (Rgb{0, 0, 0}));
  EXPECT_EQ(At(pictures[2], 31, 0), (Rgb{255, 0, 127}));
  EXPECT_EQ(At(pictures[2], 0, 31), (Rgb{0, 255, 127}));
  EXPECT_EQ(At(pictures[2], 31, 31), (Rgb{255, 255, 255}));
  EXPECT_EQ(At(pictures[2], 10, 20), (Rgb{82, 164, 123}));
}

// Stored logits are worth nothing once the pictures change. Calculated by
// tests/oracle/golden_pictures.py.
TEST(GoldenPicturesTest, NeverChange) {
  std::vector<std::string> digests;
  for (const Pixels& picture : GoldenPictures(33)) {
    digests.push_back(Sha256Hex(picture.rgb).substr(0, 16));
  }
  EXPECT_THAT(digests, ElementsAre("9fcb92cd0d6a427a", "d086f3c5952614fb",
                                   "4f0fb99a2d9dfa9e"));
}

TEST(GoldenLogitsTest, AreThoseOfTheModelWhateverTheBatch) {
  for (const std::size_t max_batch : {1U, 2U, 3U, 4U}) {
    std::vector<std::size_t> sizes;
    const FakeModel model(FakeFacts("fake", 4), [&](std::size_t images) {
      sizes.push_back(images);
      return absl::OkStatus();
    });
    const auto logits = GoldenLogits(model, 8, max_batch);
    ASSERT_TRUE(logits.ok());
    std::vector<float> expected;
    for (const Pixels& picture : GoldenPictures(8)) {
      const auto row = FakeModel::LogitsOf(picture.rgb[0], 4);
      expected.insert(expected.end(), row.begin(), row.end());
    }
    EXPECT_EQ(*logits, expected);
    for (const std::size_t size : sizes) {
      EXPECT_LE(size, max_batch);
    }
  }
}

TEST(GoldenDifferenceTest, IsRelativeToTheRowsLargestLogit) {
  const std::vector<float> expected = {1, -4, 2, 100, 0, 0};
  EXPECT_EQ(GoldenDifference(expected, expected, 3), 0);
  EXPECT_DOUBLE_EQ(
      GoldenDifference(expected, std::vector<float>{1, -4, 3, 100, 0, 0}, 3),
      0.25);
  EXPECT_DOUBLE_EQ(
      GoldenDifference(expected, std::vector<float>{1, -4, 2, 100, 0, 50}, 3),
      0.5);
  EXPECT_DOUBLE_EQ(
      GoldenDifference(expected, std::vector<float>{2, -4, 2, 99, 0, 0}, 3),
      0.25);
}

TEST(GoldenDifferenceTest, IsInfiniteWhereItCannotBeTold) {
  const std::vector<float> expected = {1, 2};
  for (const std::vector<float>& actual : std::vector<std::vector<float>>{
           {kNan, 2}, {1, kNan}, {kInfinity, 2}, {1, -kInfinity}}) {
    EXPECT_TRUE(std::isinf(GoldenDifference(expected, actual, 2)));
    EXPECT_TRUE(std::isinf(GoldenDifference(actual, expected, 2)));
    EXPECT_TRUE(std::isinf(GoldenDifference(actual, actual, 2)));
  }
  const std::vector<float> zero = {0, 0};
  EXPECT_EQ(GoldenDifference(zero, zero, 2), 0);
  EXPECT_TRUE(
      std::isinf(GoldenDifference(zero, std::vector<float>{0, 1e-30F}, 2)));
}

TEST(CompareGoldenTest, AcceptsUpToTheTolerance) {
  const std::vector<float> expected = {8, 4};
  EXPECT_TRUE(CompareGolden(expected, expected, 2, 0).ok());
  // 1/64 of 8 is 0.125, both exact.
  EXPECT_TRUE(
      CompareGolden(expected, std::vector<float>{8.125F, 4}, 2, 1.0 / 64).ok());
  const absl::Status status =
      CompareGolden(expected, std::vector<float>{8.25F, 4}, 2, 1.0 / 64);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  const ErrorDetails details = DetailsOf(status);
  EXPECT_EQ(details.reason, "GOLDEN_MISMATCH");
  EXPECT_THAT(details.metadata,
              ElementsAre(testing::Pair("difference", "0.03125"),
                          testing::Pair("tolerance", "0.015625")));
}

TEST(CompareGoldenTest, RefusesOtherSizesAndValuesThatAreNoNumbers) {
  const std::vector<float> expected = {8, 4};
  for (const std::vector<float>& actual : std::vector<std::vector<float>>{
           {}, {8}, {8, 4, 8, 4}, {kNan, 4}, {8, kInfinity}}) {
    EXPECT_EQ(CompareGolden(expected, actual, 2, 1.0).code(),
              absl::StatusCode::kDataLoss);
  }
}

TEST(GoldenBlobTest, GivesBackLogitsAndPrecision) {
  for (const std::string precision : {"fp32", "bf16"}) {
    const Golden written = {.logits = {1, -2, 3, 4, 5, 6},
                            .precision = precision};
    const auto read = ReadGolden(*WriteGolden(written, 2), 2);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(read->logits, written.logits);
    EXPECT_EQ(read->precision, precision);
    EXPECT_EQ(
        DetailsOf(ReadGolden(*WriteGolden(written, 2), 3).status()).reason,
        "STORE_CORRUPT");
  }
}

TEST(CheckGoldenTest, IsAsStrictAsTheCoarserPrecision) {
  const FakeModel model(FakeFacts("fake", 10));
  Golden golden = {.logits = *GoldenLogits(model, 8, 4), .precision = "fp32"};
  EXPECT_EQ(model.CheckGolden(golden, 8, 4), absl::OkStatus());
  golden.logits[0] += 0.2F;  // Of some 10.
  for (const auto& [precision, is_near] :
       {std::pair{"fp32", false}, {"fp16", false}, {"bf16", true}}) {
    golden.precision = precision;
    EXPECT_EQ(model.CheckGolden(golden, 8, 4).ok(), is_near) << precision;
  }
}

TEST(GoldenToleranceTest, DependsOnThePrecision) {
  EXPECT_EQ(GoldenTolerance("fp32"), 1e-4);
  EXPECT_EQ(GoldenTolerance("fp16"), 1e-2);
  EXPECT_EQ(GoldenTolerance("bf16"), 5e-2);
}

}  // namespace
}  // namespace resnetd
