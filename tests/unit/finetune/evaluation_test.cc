#include "server/finetune/evaluation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct Examples {
  std::vector<float> logits;
  std::vector<int> labels;
};

// As logits() of tests/oracle/evaluation_golden.py.
Examples MakeExamples(int examples, int classes) {
  Examples made;
  for (int i = 0; i < examples; ++i) {
    const int label = (i * 5 + i % 3) % classes;
    made.labels.push_back(label);
    for (int j = 0; j < classes; ++j) {
      const int level = (i * 37 + j * 101 + (i * j) % 7 * 13) % 97;
      made.logits.push_back(static_cast<float>(level) / 8.0F - 6.0F +
                            (j == label ? 5.0F : 0.0F));
    }
  }
  return made;
}

TEST(EvaluateTest, GivesTheNumbersOfScipy) {
  const Examples made = MakeExamples(200, 12);
  const EvaluationReport plain =
      Evaluate({.values = made.logits, .classes = 12}, made.labels);
  EXPECT_EQ(plain.examples, 200);
  EXPECT_EQ(plain.correct, 98);
  EXPECT_DOUBLE_EQ(plain.accuracy, 0.49);
  EXPECT_DOUBLE_EQ(plain.top5_accuracy, 0.805);
  EXPECT_NEAR(plain.loss, 2.167703514900884, 1e-12);
  EXPECT_NEAR(plain.mean_confidence, 0.6513668617487686, 1e-12);
  EXPECT_NEAR(plain.calibration_error, 0.18992636883708364, 1e-12);
  const EvaluationReport cooler = Evaluate(
      {.values = made.logits, .classes = 12, .temperature = 2.5}, made.labels);
  EXPECT_EQ(cooler.correct, 98);
  EXPECT_NEAR(cooler.loss, 1.7167035312092218, 1e-12);
  EXPECT_NEAR(cooler.mean_confidence, 0.38037745554524577, 1e-12);
  EXPECT_NEAR(cooler.calibration_error, 0.19556503542698242, 1e-12);
  EXPECT_EQ(cooler.temperature, 2.5);
}

TEST(EvaluateTest, AddsUpByClass) {
  const Examples made = MakeExamples(200, 12);
  const EvaluationReport report =
      Evaluate({.values = made.logits, .classes = 12}, made.labels);
  std::int64_t examples = 0;
  std::int64_t correct = 0;
  for (const ClassResult& result : report.per_class) {
    examples += result.examples;
    correct += result.correct;
    if (result.examples == 0) {
      EXPECT_EQ(result.recall, 0);
      continue;
    }
    EXPECT_DOUBLE_EQ(result.recall, static_cast<double>(result.correct) /
                                        static_cast<double>(result.examples));
  }
  EXPECT_EQ(examples, 200);
  EXPECT_EQ(correct, 98);
  std::int64_t cells = 0;
  std::int64_t diagonal = 0;
  for (const ConfusionCell& cell : report.confusion) {
    EXPECT_GT(cell.examples, 0);
    cells += cell.examples;
    diagonal += cell.label == cell.predicted ? cell.examples : 0;
  }
  EXPECT_EQ(cells, 200);
  EXPECT_EQ(diagonal, 98);
}

TEST(EvaluateTest, GivesPrecisionAndRecallOfScikitLearn) {
  const Examples made = MakeExamples(200, 12);
  const EvaluationReport report =
      Evaluate({.values = made.logits, .classes = 12}, made.labels);
  struct Expected {
    std::int64_t examples;
    double precision;
    double recall;
  };
  const std::vector<Expected> expected = {
      {51, 0.7272727272727273, 0.47058823529411764},
      {50, 0.7368421052631579, 0.56},
      {50, 0.8571428571428571, 0.48},
      {49, 0.9565217391304348, 0.4489795918367347}};
  for (std::size_t i = 0; i < 12; ++i) {
    const ClassResult& result = report.per_class[i];
    if (i % 3 != 0) {
      // Without examples, and yet some were taken for it.
      EXPECT_EQ(result.examples, 0) << i;
      EXPECT_GT(result.predicted, 0) << i;
      EXPECT_EQ(result.precision, 0) << i;
      continue;
    }
    EXPECT_EQ(result.examples, expected[i / 3].examples) << i;
    EXPECT_DOUBLE_EQ(result.precision, expected[i / 3].precision) << i;
    EXPECT_DOUBLE_EQ(result.recall, expected[i / 3].recall) << i;
  }
}

TEST(MostConfusedTest, GivesTheLargestFirst) {
  const Examples made = MakeExamples(200, 12);
  const EvaluationReport report =
      Evaluate({.values = made.logits, .classes = 12}, made.labels);
  const auto text = [](const std::vector<ConfusionCell>& cells) {
    std::vector<std::string> texts;
    for (const ConfusionCell& cell : cells) {
      texts.push_back(absl::StrCat(cell.examples, ": ", cell.label, " as ",
                                   cell.predicted));
    }
    return texts;
  };
  EXPECT_THAT(
      text(MostConfused(report.confusion, 4)),
      ElementsAre("8: 0 as 11", "6: 6 as 7", "5: 6 as 10", "5: 9 as 7"));
  EXPECT_EQ(MostConfused(report.confusion, 35).size(), 35U);
  EXPECT_EQ(MostConfused(report.confusion, 36).size(), 36U);
  EXPECT_EQ(MostConfused(report.confusion, 37).size(), 36U);
  EXPECT_TRUE(MostConfused(report.confusion, 0).empty());
}

TEST(EvaluateTest, CountsWhatIsNotFiniteAsWrongAndNothingElse) {
  const std::vector<float> logits = {2, 0, kNan, 9, 0, kInfinity, 0, 1};
  const std::vector<int> labels = {0, 1, 1, 1};
  const EvaluationReport report =
      Evaluate({.values = logits, .classes = 2}, labels);
  EXPECT_EQ(report.examples, 4);
  EXPECT_EQ(report.correct, 2);
  EXPECT_EQ(report.nonfinite_examples, 2);
  EXPECT_DOUBLE_EQ(report.accuracy, 0.5);
  EXPECT_NEAR(report.loss,
              (std::log1p(std::exp(-2.0)) + std::log1p(std::exp(-1.0))) / 2,
              1e-15);
  EXPECT_EQ(report.confusion.size(), 2U);
}

TEST(EvaluateTest, LeavesOutExamplesWithoutLabel) {
  const std::vector<float> logits = {2, 0, 0, 2, 2, 0};
  const EvaluationReport report = Evaluate({.values = logits, .classes = 2},
                                           std::vector<int>{0, kNoLabel, 1});
  EXPECT_EQ(report.examples, 2);
  EXPECT_EQ(report.correct, 1);
}

TEST(EvaluateTest, IsAllZeroWithoutExamples) {
  const EvaluationReport report = Evaluate({.values = {}, .classes = 3}, {});
  EXPECT_EQ(report.examples, 0);
  EXPECT_EQ(report.accuracy, 0);
  EXPECT_EQ(report.loss, 0);
  EXPECT_EQ(report.calibration_error, 0);
  EXPECT_EQ(report.per_class.size(), 3U);
}

TEST(EvaluateTest, TakesTheFirstOfEqualClasses) {
  const std::vector<float> logits = {1, 1, 0, 0, 1, 1};
  const LogitsView view = {.values = logits, .classes = 3};
  EXPECT_THAT(BestClasses(view), ElementsAre(0, 1));
  EXPECT_EQ(Evaluate(view, std::vector<int>{0, 2}).correct, 1);
}

TEST(EvaluateTest, FindsTheLabelAmongTheBestFiveButNotBehindThem) {
  const std::vector<float> logits = {6, 5, 4, 3, 2, 1, 6, 5, 4, 3, 2, 1};
  const EvaluationReport report =
      Evaluate({.values = logits, .classes = 6}, std::vector<int>{4, 5});
  EXPECT_DOUBLE_EQ(report.top5_accuracy, 0.5);
}

// Four examples of two classes at known confidences: 1 / (1 + e^-d).
TEST(EvaluateTest, HasTheCalibrationErrorWorkedOutByHand) {
  const std::vector<float> logits = {2, 0, 2, 0, 0, 0, 0, 4};
  const std::vector<int> labels = {0, 1, 0, 1};
  const double high = 1 / (1 + std::exp(-2.0));
  const double highest = 1 / (1 + std::exp(-4.0));
  // Bins: {0.881, 0.881} half right, {0.5} right, {0.982} right.
  const double expected =
      (std::abs(2 * high - 1) + std::abs(0.5 - 1) + (1 - highest)) / 4;
  EXPECT_NEAR(
      Evaluate({.values = logits, .classes = 2}, labels).calibration_error,
      expected, 1e-12);
}

TEST(EvaluateTest, DoesNotOverflowForHugeLogits) {
  const std::vector<float> logits = {1e30F, -1e30F};
  const LogitsView view = {.values = logits, .classes = 2};
  EXPECT_EQ(Evaluate(view, std::vector<int>{0}).loss, 0);
  EXPECT_TRUE(std::isfinite(Evaluate(view, std::vector<int>{1}).loss));
}

TEST(FitTemperatureTest, FindsTheMinimumThatScipyFinds) {
  const Examples made = MakeExamples(200, 12);
  EXPECT_NEAR(
      FitTemperature({.values = made.logits, .classes = 12}, made.labels),
      2.324178599918749, 1e-6);
}

TEST(FitTemperatureTest, LeavesNoBetterNeighbour) {
  for (const int classes : {2, 5, 30}) {
    const Examples made = MakeExamples(150, classes);
    const LogitsView view = {.values = made.logits, .classes = classes};
    const double best = FitTemperature(view, made.labels);
    const auto loss = [&](double temperature) {
      return Evaluate({.values = made.logits,
                       .classes = classes,
                       .temperature = temperature},
                      made.labels)
          .loss;
    };
    EXPECT_LE(loss(best), loss(best * 1.01)) << classes;
    EXPECT_LE(loss(best), loss(best / 1.01)) << classes;
    EXPECT_LE(loss(best), loss(1)) << classes;
  }
}

TEST(FitTemperatureTest, UndoesAScaleOfTheLogits) {
  Examples made = MakeExamples(200, 12);
  const double plain =
      FitTemperature({.values = made.logits, .classes = 12}, made.labels);
  for (float& value : made.logits) {
    value *= 3;
  }
  EXPECT_NEAR(
      FitTemperature({.values = made.logits, .classes = 12}, made.labels),
      3 * plain, 1e-5);
}

TEST(FitTemperatureTest, StaysWithinItsBounds) {
  const std::vector<float> logits = {1, 0, 0, 1};
  const LogitsView view = {.values = logits, .classes = 2};
  EXPECT_EQ(FitTemperature(view, std::vector<int>{0, 1}), kLeastTemperature);
  EXPECT_EQ(FitTemperature(view, std::vector<int>{1, 0}), kMostTemperature);
}

TEST(FitTemperatureTest, IsOneWhenThereIsNothingToFit) {
  const std::vector<float> flat = {1, 1, 1, 1};
  EXPECT_EQ(
      FitTemperature({.values = flat, .classes = 2}, std::vector<int>{0, 1}),
      1);
  const std::vector<float> broken = {kNan, 1};
  EXPECT_EQ(
      FitTemperature({.values = broken, .classes = 2}, std::vector<int>{0}), 1);
  EXPECT_EQ(FitTemperature({.values = {}, .classes = 2}, {}), 1);
}

}  // namespace
}  // namespace resnetd
