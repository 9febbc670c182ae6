#include "server/finetune/dataset_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/unit/finetune/dataset_fixture.h"

namespace resnetd {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr ExampleSplit kTrain = ExampleSplit::kTrain;
constexpr ExampleSplit kValidation = ExampleSplit::kValidation;
constexpr ExampleSplit kTest = ExampleSplit::kTest;

// `count` examples of a class, sent for a split.
void Add(int count, int label, ExampleSplit split,
         std::vector<ExampleRow>& rows) {
  for (int i = 0; i < count; ++i) {
    rows.push_back(RowOf(absl::StrCat("row ", rows.size()), label, split));
  }
}

TEST(DatasetReportTest, CountsEveryClassAndSplit) {
  std::vector<ExampleRow> rows;
  Add(5, 0, kTrain, rows);
  Add(2, 0, kValidation, rows);
  Add(1, 1, kTrain, rows);
  Add(3, 1, kTest, rows);
  const DatasetReport report = ReportOn({"a", "b", "c"}, rows, {}, {});
  ASSERT_EQ(report.classes.size(), 3U);
  EXPECT_EQ(report.classes[0].train, 5);
  EXPECT_EQ(report.classes[0].validation, 2);
  EXPECT_EQ(report.classes[1].test, 3);
  EXPECT_EQ(report.classes[2].all(), 0);
  EXPECT_EQ(report.total.train, 6);
  EXPECT_EQ(report.total.validation, 2);
  EXPECT_EQ(report.total.test, 3);
  EXPECT_DOUBLE_EQ(report.imbalance, 7.0 / 4);
}

TEST(DatasetReportTest, ExamplesWithoutASplitAreDividedAsAJobWould) {
  std::vector<ExampleRow> rows;
  Add(500, 0, ExampleSplit::kAuto, rows);
  Add(500, 1, ExampleSplit::kAuto, rows);
  const SplitSpec split{.validation = 0.3, .test = 0.1, .seed = 4};
  const DatasetReport report = ReportOn({"a", "b"}, rows, {}, split);
  SplitCounts expected;
  for (const ExampleSplit one : AssignSplits(rows, split)) {
    expected.train += one == kTrain ? 1 : 0;
    expected.validation += one == kValidation ? 1 : 0;
    expected.test += one == kTest ? 1 : 0;
  }
  EXPECT_EQ(report.total.train, expected.train);
  EXPECT_EQ(report.total.validation, expected.validation);
  EXPECT_EQ(report.total.test, expected.test);
  EXPECT_EQ(report.split.seed, 4U);
}

TEST(DatasetReportTest, TheMajorityIsThatOfTraining) {
  std::vector<ExampleRow> rows;
  Add(3, 0, kTrain, rows);
  Add(9, 0, kValidation, rows);
  Add(4, 1, kTrain, rows);
  Add(3, 1, kValidation, rows);
  EXPECT_DOUBLE_EQ(ReportOn({"a", "b"}, rows, {}, {}).majority_baseline,
                   3.0 / 12);
}

TEST(DatasetReportTest, TellsTheExtentOfThePictures) {
  std::vector<ExampleRow> rows;
  Add(4, 0, kTrain, rows);
  rows[0].width = 30;
  rows[1].width = 10;
  rows[2].width = 20;
  rows[3].width = 99;
  rows[2].height = 3;
  const DatasetReport report = ReportOn({"a"}, rows, {}, {});
  EXPECT_EQ(report.width.min, 10);
  EXPECT_EQ(report.width.median, 20);
  EXPECT_EQ(report.width.max, 99);
  EXPECT_EQ(report.height.min, 3);
  EXPECT_EQ(report.height.median, 8);
}

TEST(DatasetReportTest, ThePicturesHaveOneMeanAndDeviation) {
  std::vector<ExampleRow> rows;
  Add(2, 0, kTrain, rows);
  rows[0].mean = {0.2, 0.5, 1};
  rows[0].mean_square = {0.04, 0.5, 1};
  rows[1].mean = {0.6, 0.5, 1};
  rows[1].mean_square = {0.36, 0.5, 1};
  rows[1].is_grey = true;
  const DatasetReport report = ReportOn({"a"}, rows, {}, {});
  EXPECT_THAT(report.mean, ElementsAre(DoubleNear(0.4, 1e-12), 0.5, 1));
  EXPECT_THAT(report.deviation,
              ElementsAre(DoubleNear(0.2, 1e-12), DoubleNear(0.5, 1e-12),
                          DoubleNear(0, 1e-6)));
  EXPECT_DOUBLE_EQ(report.grey_share, 0.5);
}

TEST(DatasetReportTest, AnEmptyDatasetIsAllZero) {
  const DatasetReport report = ReportOn({"a", "b"}, {}, {{"TRUNCATED", 2}}, {});
  EXPECT_EQ(report.total.all(), 0);
  EXPECT_EQ(report.imbalance, 0);
  EXPECT_EQ(report.majority_baseline, 0);
  EXPECT_EQ(report.grey_share, 0);
  EXPECT_EQ(report.width.max, 0);
  EXPECT_EQ(report.rejected.at("TRUNCATED"), 2);
  EXPECT_FALSE(report.advice.empty());
}

TEST(DatasetReportTest, ASoundDatasetGetsNoAdvice) {
  std::vector<ExampleRow> rows;
  for (int label = 0; label < 2; ++label) {
    Add(400, label, kTrain, rows);
    Add(50, label, kValidation, rows);
  }
  EXPECT_THAT(ReportOn({"a", "b"}, rows, {}, {}).advice, IsEmpty());
}

}  // namespace
}  // namespace resnetd
