#include "server/finetune/model_evaluation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "tests/support/fake_model.h"
#include "tests/unit/finetune/dataset_fixture.h"

namespace resnetd {
namespace {

using std::chrono::microseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

DatasetContent Content(std::vector<ExampleRow> rows) {
  return {.dataset = {.name = DatasetName::Parse("data").value(),
                      .labels = {"a", "b", "c"}},
          .examples = std::move(rows)};
}

Measurement Of(DatasetPart part) {
  return {.dataset = DatasetName::Parse("data").value(), .part = part};
}

TEST(ChooseExamplesTest, TakesThePartInItsOrder) {
  const DatasetContent data = Content(
      {RowOf("1", 2, ExampleSplit::kTest), RowOf("2", 0, ExampleSplit::kTrain),
       RowOf("3", 1, ExampleSplit::kTest),
       RowOf("4", 0, ExampleSplit::kValidation)});
  const auto labels = [&](DatasetPart part) {
    return LabelsOf(ChooseExamples(data, Of(part)).value());
  };
  EXPECT_THAT(labels(DatasetPart::kTest), ElementsAre(2, 1));
  EXPECT_THAT(labels(DatasetPart::kTrain), ElementsAre(0));
  EXPECT_THAT(labels(DatasetPart::kValidation), ElementsAre(0));
  EXPECT_THAT(labels(DatasetPart::kAll), ElementsAre(2, 0, 1, 0));
}

VersionFacts Labelled(std::vector<std::string> labels) {
  VersionFacts facts = FakeFacts("digits", static_cast<int>(labels.size()), 7);
  facts.labels = std::move(labels);
  return facts;
}

TEST(UseClassesOfTest, TakesTheFirstClassOfAName) {
  std::vector<PlannedExample> examples =
      ChooseExamples(Content({RowOf("1", 0), RowOf("2", 1), RowOf("3", 2)}),
                     Of(DatasetPart::kAll))
          .value();
  ASSERT_TRUE(UseClassesOf(Labelled({"c", "b", "x", "b", "a"}), {"a", "b", "c"},
                           examples)
                  .ok());
  EXPECT_THAT(LabelsOf(examples), ElementsAre(4, 1, 0));
}

TEST(UseClassesOfTest, ALabelWithoutPicturesNeedNotBeKnown) {
  std::vector<PlannedExample> examples =
      ChooseExamples(Content({RowOf("1", 0)}), Of(DatasetPart::kAll)).value();
  EXPECT_TRUE(UseClassesOf(Labelled({"a"}), {"a", "b", "c"}, examples).ok());
}

TEST(UseClassesOfTest, NamesTenUnknownLabels) {
  std::vector<std::string> labels;
  std::vector<ExampleRow> rows;
  for (int i = 0; i < 12; ++i) {
    labels.push_back(absl::StrCat("label-", i));
    rows.push_back(RowOf(absl::StrCat(i), i));
  }
  std::vector<PlannedExample> examples =
      ChooseExamples(Content(rows), Of(DatasetPart::kAll)).value();
  const std::string text(
      UseClassesOf(Labelled({"a"}), labels, examples).message());
  EXPECT_THAT(text, HasSubstr("\"label-9\" (1 picture) and 2 other labels"));
  EXPECT_EQ(text.find("label-10"), std::string::npos);
}

TEST(PictureTimeTest, IsTheMedianOfWholeBatches) {
  std::vector<Duration> batches(7, microseconds(400));
  EXPECT_EQ(PictureTime(batches, 4), std::nullopt);
  // One that was held up does not count for more.
  batches.push_back(std::chrono::seconds(10));
  EXPECT_EQ(PictureTime(batches, 4), microseconds(100));
  EXPECT_EQ(PictureTime(batches, 1), microseconds(400));
}

TEST(TellTemperatureTest, IsInThousandths) {
  // p = 3/4 at ln 9 / ln 3 = 2, at ln 4 / ln 3 = 1.2618...
  for (const auto& [odds, expected] :
       std::vector<std::pair<float, double>>{{9.0F, 2}, {4.0F, 1.262}}) {
    const float value = std::log(odds);
    const std::vector<float> logits = {value, 0, value, 0, value, 0, value, 0};
    EXPECT_EQ(TellTemperature({.values = logits, .classes = 2},
                              std::vector<int>{0, 0, 1, 0}),
              expected);
  }
}

TEST(TellTemperatureTest, IsNotToldWhereAllIsRightOrNothing) {
  const std::vector<float> logits = {3, 0, 0, 3};
  const std::vector<int> right = {0, 1};
  const std::vector<int> wrong = {1, 0};
  for (const std::vector<int>& labels : {right, wrong}) {
    EXPECT_EQ(TellTemperature({.values = logits, .classes = 2}, labels),
              std::nullopt);
  }
  // The version keeps its own.
  VersionFacts facts = FakeFacts("digits", 2, 7);
  facts.temperature = 1.5;
  const VersionEvaluation measured =
      Measure(std::make_shared<const VersionFacts>(facts), logits, right);
  EXPECT_EQ(measured.fitted_temperature, 1.5);
  EXPECT_EQ(measured.fitted_loss, measured.report.loss);
}

std::shared_ptr<const VersionFacts> Facts(std::int64_t version,
                                          std::int64_t bytes,
                                          double temperature = 1) {
  VersionFacts facts = FakeFacts("digits", 2, version);
  facts.weights_bytes = bytes;
  facts.temperature = temperature;
  return std::make_shared<const VersionFacts>(facts);
}

TEST(MeasureTest, IsAtTheTemperatureOfTheVersion) {
  // p = 0.8 of the class that is right in 3 of 4.
  const float logit = std::log(4.0F);
  const std::vector<float> logits = {logit, 0, logit, 0, 0, logit, logit, 0};
  const std::vector<int> labels = {0, 0, 1, 1};
  const VersionEvaluation plain = Measure(Facts(1, 8), logits, labels);
  EXPECT_NEAR(plain.report.mean_confidence, 0.8, 1e-7);
  EXPECT_NEAR(plain.report.calibration_error, 0.05, 1e-7);
  // p = 3/4 at ln 4 / ln 3.
  EXPECT_EQ(plain.fitted_temperature, 1.262);
  EXPECT_NEAR(plain.fitted_calibration_error, 0, 1e-4);
  const VersionEvaluation hotter = Measure(Facts(1, 8, 2), logits, labels);
  EXPECT_NEAR(hotter.report.mean_confidence, 2.0 / 3, 1e-7);
  EXPECT_EQ(hotter.report.temperature, 2);
  EXPECT_EQ(hotter.fitted_temperature, 1.262);
  EXPECT_EQ(hotter.majority_baseline, 0.5);
}

TEST(JudgeTest, KnowsTimeAndSize) {
  const std::vector<float> logits = {5, 0, 0, 5};
  const std::vector<int> labels = {0, 1};
  const auto judge = [&](microseconds before, microseconds after,
                         std::int64_t bytes) {
    VersionEvaluation champion = Measure(Facts(1, 1000), logits, labels);
    VersionEvaluation candidate = Measure(Facts(2, bytes), logits, labels);
    champion.latency = before;
    candidate.latency = after;
    return Judge(champion, candidate, logits, logits, labels);
  };
  const auto passed = [](const VersionComparison& comparison,
                         const std::string& name) {
    for (const GateCriterion& criterion : comparison.verdict.criteria) {
      if (criterion.name == name) {
        return criterion.passed;
      }
    }
    ADD_FAILURE() << name;
    return false;
  };
  const VersionComparison good =
      judge(microseconds(100), microseconds(150), 1500);
  EXPECT_NEAR(*good.latency_ratio, 1.5, 1e-9);
  EXPECT_EQ(good.size_ratio, 1.5);
  EXPECT_TRUE(passed(good, "latency_ratio"));
  EXPECT_TRUE(passed(good, "size_ratio"));
  const VersionComparison bad =
      judge(microseconds(100), microseconds(151), 1501);
  EXPECT_FALSE(passed(bad, "latency_ratio"));
  EXPECT_FALSE(passed(bad, "size_ratio"));
  // Two pictures prove nothing.
  EXPECT_FALSE(passed(good, "min_examples"));
}

}  // namespace
}  // namespace resnetd
