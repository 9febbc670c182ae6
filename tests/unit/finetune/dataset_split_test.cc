#include "server/finetune/dataset_split.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "tests/unit/finetune/dataset_fixture.h"

namespace resnetd {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Key;

constexpr ExampleSplit kAuto = ExampleSplit::kAuto;
constexpr ExampleSplit kTrain = ExampleSplit::kTrain;
constexpr ExampleSplit kValidation = ExampleSplit::kValidation;
constexpr ExampleSplit kTest = ExampleSplit::kTest;

std::vector<ExampleRow> Rows(int count, int classes) {
  std::vector<ExampleRow> rows;
  for (int i = 0; i < count; ++i) {
    rows.push_back(RowOf(absl::StrCat("picture ", i), i % classes));
  }
  return rows;
}

std::int64_t Count(const std::vector<ExampleSplit>& splits,
                   ExampleSplit split) {
  return std::count(splits.begin(), splits.end(), split);
}

// hashlib.sha256(seed.to_bytes(8, "big") + hashlib.sha256(text).digest()),
// its first 8 bytes / 2**64, by Python.
TEST(DatasetSplitTest, APointIsThatOfTheDocumentedHash) {
  EXPECT_NEAR(SplitPoint(DigestOfText("a"), 0), 0.6645867480882712, 1e-15);
  EXPECT_NEAR(SplitPoint(DigestOfText("a"), 1), 0.9191377859691763, 1e-15);
  EXPECT_NEAR(SplitPoint(DigestOfText("picture"), 12345678901234567890U),
              0.1840671496017979, 1e-15);
}

TEST(DatasetSplitTest, PointsAreSpreadEvenly) {
  double sum = 0;
  std::map<int, int> tenths;
  for (const ExampleRow& row : Rows(10'000, 1)) {
    const double point = SplitPoint(row.image, 7);
    ASSERT_GE(point, 0);
    ASSERT_LT(point, 1);
    sum += point;
    ++tenths[static_cast<int>(point * 10)];
  }
  EXPECT_NEAR(sum / 10'000, 0.5, 0.01);
  for (const auto& [tenth, count] : tenths) {
    EXPECT_NEAR(count, 1000, 150) << tenth;  // 5 standard deviations.
  }
}

TEST(DatasetSplitTest, SharesAreAboutThoseAskedFor) {
  const auto splits = AssignSplits(Rows(20'000, 10),
                                   {.validation = 0.2, .test = 0.1, .seed = 3});
  EXPECT_NEAR(static_cast<double>(Count(splits, kValidation)), 4000, 300);
  EXPECT_NEAR(static_cast<double>(Count(splits, kTest)), 2000, 250);
}

TEST(DatasetSplitTest, ASplitOfOnesOwnWins) {
  std::vector<ExampleRow> rows = Rows(300, 1);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    rows[i].split = std::vector{kTrain, kValidation, kTest}[i % 3];
  }
  const auto splits = AssignSplits(rows, {.validation = 0.9, .seed = 1});
  for (std::size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(splits[i], rows[i].split);
  }
}

TEST(DatasetSplitTest, NothingMovesWhenExamplesAreAdded) {
  const SplitSpec spec{.validation = 0.2, .test = 0.1, .seed = 11};
  const std::vector<ExampleRow> all = Rows(2000, 4);
  const auto last = AssignSplits(all, spec);
  // From 200 on every class has something of its own everywhere.
  for (const std::size_t count : {200U, 201U, 777U, 1999U}) {
    const std::vector<ExampleRow> some(
        all.begin(), all.begin() + static_cast<std::ptrdiff_t>(count));
    const auto splits = AssignSplits(some, spec);
    for (std::size_t i = 0; i < count; ++i) {
      ASSERT_EQ(splits[i], last[i]) << count << " " << i;
    }
  }
}

TEST(DatasetSplitTest, TheOrderOfTheExamplesDoesNotMatter) {
  const SplitSpec spec{.validation = 0.3, .seed = 5};
  std::vector<ExampleRow> rows = Rows(60, 20);
  std::map<Digest, ExampleSplit> expected;
  const auto first = AssignSplits(rows, spec);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    expected[rows[i].image] = first[i];
  }
  std::mt19937 random(1);
  std::shuffle(rows.begin(), rows.end(), random);
  const auto splits = AssignSplits(rows, spec);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(splits[i], expected[rows[i].image]);
  }
}

TEST(DatasetSplitTest, AnotherSeedDividesAnew) {
  const std::vector<ExampleRow> rows = Rows(1000, 1);
  const auto a = AssignSplits(rows, {.validation = 0.5, .seed = 1});
  const auto b = AssignSplits(rows, {.validation = 0.5, .seed = 2});
  int same = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    same += a[i] == b[i] ? 1 : 0;
  }
  EXPECT_NEAR(same, 500, 80);
}

TEST(DatasetSplitTest, EveryClassOfTwoHasBothSides) {
  // Properties, over many classes of 2 to 6 examples and several shares.
  for (const double validation : {0.01, 0.2, 0.5, 0.99}) {
    std::vector<ExampleRow> rows;
    for (int label = 0; label < 400; ++label) {
      for (int i = 0; i < 2 + label % 5; ++i) {
        rows.push_back(RowOf(absl::StrCat(label, "/", i), label));
      }
    }
    const auto splits = AssignSplits(rows, {.validation = validation});
    std::map<int, std::vector<ExampleSplit>> by_class;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      by_class[rows[i].label].push_back(splits[i]);
    }
    for (const auto& [label, of_class] : by_class) {
      EXPECT_THAT(of_class, Contains(kTrain)) << label;
      EXPECT_THAT(of_class, Contains(kValidation)) << label;
    }
  }
}

TEST(DatasetSplitTest, TheLowestPointIsMovedToValidation) {
  // 0.66 ("a") and others above any small share.
  std::vector<ExampleRow> rows = {RowOf("a", 0), RowOf("b", 0), RowOf("c", 0)};
  std::size_t lowest = 0;
  for (std::size_t i = 1; i < rows.size(); ++i) {
    if (SplitPoint(rows[i].image, 0) < SplitPoint(rows[lowest].image, 0)) {
      lowest = i;
    }
  }
  const auto splits = AssignSplits(rows, {.validation = 1e-9});
  for (std::size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(splits[i], i == lowest ? kValidation : kTrain);
  }
}

TEST(DatasetSplitTest, TheHighestPointIsMovedToTraining) {
  std::vector<ExampleRow> rows = {RowOf("a", 0), RowOf("b", 0), RowOf("c", 0)};
  std::size_t highest = 0;
  for (std::size_t i = 1; i < rows.size(); ++i) {
    if (SplitPoint(rows[i].image, 0) > SplitPoint(rows[highest].image, 0)) {
      highest = i;
    }
  }
  const auto splits = AssignSplits(rows, {.validation = 0.999999});
  for (std::size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(splits[i], i == highest ? kTrain : kValidation);
  }
}

TEST(DatasetSplitTest, OneExampleIsNotMoved) {
  EXPECT_THAT(AssignSplits(std::vector{RowOf("a", 0)}, {.validation = 1e-9}),
              ElementsAre(kTrain));
  EXPECT_THAT(AssignSplits(std::vector{RowOf("a", 0)}, {.validation = 0.999}),
              ElementsAre(kValidation));
}

TEST(DatasetSplitTest, AClassThatHasBothSidesIsLeftAsItIs) {
  const std::vector<ExampleRow> rows = {RowOf("a", 0), RowOf("b", 0),
                                        RowOf("v", 0, kValidation)};
  EXPECT_THAT(AssignSplits(rows, {.validation = 1e-9}),
              ElementsAre(kTrain, kTrain, kValidation));
}

TEST(DatasetSplitTest, WithoutAShareThereIsNoValidation) {
  EXPECT_THAT(AssignSplits(Rows(100, 10), {.validation = 0}), Each(kTrain));
}

TEST(DatasetSplitTest, NothingIsDividedIntoNothing) {
  EXPECT_THAT(AssignSplits({}, {}), IsEmpty());
}

TEST(DatasetSplitTest, SharesAreAtLeastZeroAndLessThanOneTogether) {
  EXPECT_TRUE(CheckSplit({}).ok());
  EXPECT_TRUE(CheckSplit({.validation = 0, .test = 0}).ok());
  EXPECT_TRUE(CheckSplit({.validation = 0.5, .test = 0.49}).ok());
  EXPECT_THAT(
      DetailsOf(CheckSplit({.validation = 0.5, .test = 0.5})).violations,
      ElementsAre(Key("test")));
  EXPECT_THAT(DetailsOf(CheckSplit({.validation = -0.1, .test = 1})).violations,
              ElementsAre(Key("validation"), Key("test")));
  EXPECT_THAT(DetailsOf(CheckSplit({.validation = std::nan("")})).violations,
              ElementsAre(Key("validation")));
  EXPECT_THAT(
      DetailsOf(CheckSplit({.test = std::numeric_limits<double>::infinity()}))
          .violations,
      ElementsAre(Key("test")));
  EXPECT_EQ(DetailsOf(CheckSplit({.validation = 1})).reason, "REQUEST_INVALID");
}

}  // namespace
}  // namespace resnetd
