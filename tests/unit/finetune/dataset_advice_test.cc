#include "server/finetune/dataset_advice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace resnetd {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// A report with nothing to say about, changed by a test.
DatasetReport Sound(std::size_t classes = 2) {
  DatasetReport report;
  report.classes.assign(classes, {.train = 400, .validation = 100});
  report.imbalance = 1;
  return report;
}

std::vector<DatasetAdvice> Advise(DatasetReport report) {
  report.total = {};
  std::vector<std::string> labels;
  for (const SplitCounts& counts : report.classes) {
    labels.push_back(absl::StrCat("class-", labels.size()));
    report.total.train += counts.train;
    report.total.validation += counts.validation;
    report.total.test += counts.test;
  }
  return AdviceOn(labels, report);
}

std::vector<std::string> CodesOf(const DatasetReport& report) {
  std::vector<std::string> codes;
  for (const DatasetAdvice& advice : Advise(report)) {
    codes.push_back(absl::StrCat(advice.code, advice.blocking ? "!" : ""));
  }
  return codes;
}

TEST(DatasetAdviceTest, ASoundDatasetNeedsNone) {
  EXPECT_THAT(CodesOf(Sound()), IsEmpty());
}

TEST(DatasetAdviceTest, AClassWithoutExamplesBlocks) {
  DatasetReport report = Sound(3);
  report.classes[1] = {};
  EXPECT_THAT(CodesOf(report), ElementsAre("EMPTY_CLASS!"));
  EXPECT_THAT(Advise(report)[0].message, HasSubstr("1 class (\"class-1\")"));
}

TEST(DatasetAdviceTest, OneClassBlocks) {
  DatasetReport report = Sound(1);
  EXPECT_THAT(CodesOf(report), Contains("ONE_CLASS!"));
  report = Sound(2);
  report.classes[0] = {};
  EXPECT_THAT(CodesOf(report),
              ElementsAre("ONE_CLASS!", "EMPTY_CLASS!", "SMALL_DATASET"));
}

TEST(DatasetAdviceTest, AClassNeedsTwoExamplesToTrainOn) {
  DatasetReport report = Sound(3);
  report.classes[2].train = 2;
  EXPECT_THAT(CodesOf(report), Not(Contains("TOO_FEW_EXAMPLES!")));
  report.classes[2].train = 1;
  EXPECT_THAT(CodesOf(report), Contains("TOO_FEW_EXAMPLES!"));
}

TEST(DatasetAdviceTest, MoreThanFivePercentRejectedBlocks) {
  DatasetReport report = Sound();  // 1000 examples.
  report.rejected = {{"TRUNCATED", 52}};
  EXPECT_THAT(CodesOf(report), IsEmpty());
  report.rejected = {{"EMPTY", 1}, {"TRUNCATED", 52}};
  EXPECT_THAT(CodesOf(report), ElementsAre("MANY_REJECTED!"));
}

TEST(DatasetAdviceTest, ContradictionsAreNamed) {
  DatasetReport report = Sound();
  report.rejected = {{"DUPLICATE_CONFLICTING_LABEL", 1},
                     {"LEAKED_ACROSS_SPLITS", 2}};
  EXPECT_THAT(CodesOf(report), ElementsAre("CONTRADICTIONS"));
  EXPECT_THAT(Advise(report)[0].message, HasSubstr("3 pictures"));
}

TEST(DatasetAdviceTest, WithoutValidationNothingCanBeJudged) {
  DatasetReport report = Sound();
  for (SplitCounts& counts : report.classes) {
    counts.validation = 0;
  }
  EXPECT_THAT(CodesOf(report), ElementsAre("NO_VALIDATION!"));
}

TEST(DatasetAdviceTest, AClassWithoutValidationIsNamed) {
  DatasetReport report = Sound(3);
  report.classes[0].validation = 0;
  EXPECT_THAT(CodesOf(report), ElementsAre("CLASS_WITHOUT_VALIDATION"));
}

TEST(DatasetAdviceTest, FiftyExamplesAreEnoughToValidateWith) {
  DatasetReport report = Sound();
  report.classes[0].validation = 25;
  report.classes[1].validation = 25;
  EXPECT_THAT(CodesOf(report), IsEmpty());
  report.classes[1].validation = 24;
  EXPECT_THAT(CodesOf(report), ElementsAre("SMALL_VALIDATION"));
}

TEST(DatasetAdviceTest, MoreThanTenTimesAsManyIsImbalance) {
  DatasetReport report = Sound();
  report.imbalance = 10;
  EXPECT_THAT(CodesOf(report), IsEmpty());
  report.imbalance = 10.1;
  EXPECT_THAT(CodesOf(report), ElementsAre("IMBALANCED"));
  EXPECT_THAT(Advise(report)[0].message, HasSubstr("10.1 times"));
}

TEST(DatasetAdviceTest, TwentyExamplesAreNoSmallClass) {
  DatasetReport report = Sound(3);
  report.classes[1].train = 20;
  EXPECT_THAT(CodesOf(report), IsEmpty());
  report.classes[1].train = 19;
  EXPECT_THAT(CodesOf(report), ElementsAre("SMALL_CLASSES"));
}

TEST(DatasetAdviceTest, FiveHundredExamplesAreNoSmallDataset) {
  DatasetReport report = Sound();
  report.classes[0].train = 250;
  report.classes[1].train = 250;
  EXPECT_THAT(CodesOf(report), IsEmpty());
  report.classes[1].train = 249;
  EXPECT_THAT(CodesOf(report), ElementsAre("SMALL_DATASET"));
}

TEST(DatasetAdviceTest, PicturesWithoutColourAreNamed) {
  DatasetReport report = Sound();
  report.grey_share = 0.999;
  EXPECT_THAT(CodesOf(report), IsEmpty());
  report.grey_share = 1;
  EXPECT_THAT(CodesOf(report), ElementsAre("ALL_GREY"));
}

TEST(DatasetAdviceTest, BlockingAdviceComesFirst) {
  DatasetReport report = Sound(3);
  report.rejected = {{"DUPLICATE_CONFLICTING_LABEL", 100}};
  report.classes[0] = {};
  EXPECT_THAT(CodesOf(report),
              ElementsAre("EMPTY_CLASS!", "MANY_REJECTED!", "CONTRADICTIONS"));
}

TEST(DatasetAdviceTest, NamesFiveClassesAtMost) {
  DatasetReport report = Sound(9);
  for (std::size_t i = 0; i < 6; ++i) {
    report.classes[i] = {};
  }
  const std::string text = Advise(report)[0].message;
  EXPECT_THAT(text, HasSubstr("6 classes (\"class-0\""));
  EXPECT_THAT(text, HasSubstr("\"class-4\", ...)"));
  EXPECT_THAT(text, Not(HasSubstr("class-5")));
}

}  // namespace
}  // namespace resnetd
