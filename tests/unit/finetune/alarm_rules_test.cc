#include "server/finetune/alarm_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "tests/unit/finetune/alarm_rules_fixture.h"

namespace resnetd {
namespace {

namespace limits = alarm_limits;

// Steps until a rule of losses finds something; 0: never.
int StepsUntil(AlarmRule rule, int steps, int classes,
               const std::function<double(int)>& loss) {
  LossHistory history;
  const AlarmFacts facts = {.classes = classes, .total_steps = 1000};
  for (int i = 1; i <= steps; ++i) {
    if (Find(JudgeLoss(facts, {.step = i, .loss = loss(i)}, history), rule)
            .is_bad) {
      return i;
    }
  }
  return 0;
}

int StepsUntilRunaway(double first, double later) {
  return StepsUntil(AlarmRule::kLossRunaway, 100, 10,
                    [=](int i) { return i <= 10 ? first : later; });
}

TEST(StepRulesTest, ALossThatFallsOrStaysIsFine) {
  EXPECT_EQ(StepsUntilRunaway(2.3, 0.1), 0);
  EXPECT_EQ(StepsUntilRunaway(2.3, 2.3), 0);
}

TEST(StepRulesTest, RunawayIsFourTimesTheFirstLossAndTwiceThatOfGuessing) {
  // 2 ln 10 = 4.605.
  EXPECT_EQ(StepsUntilRunaway(0.1, 4.6), 0);
  EXPECT_EQ(StepsUntilRunaway(0.1, 4.7), 20);
  EXPECT_EQ(StepsUntilRunaway(2.0, 7.9), 0);
  EXPECT_EQ(StepsUntilRunaway(2.0, 8.1), 20);
}

TEST(StepRulesTest, OneBadBatchIsNoReason) {
  EXPECT_EQ(StepsUntil(AlarmRule::kLossRunaway, 100, 10,
                       [](int i) { return i == 50 ? 40.0 : 1.0; }),
            0);
}

TEST(StepRulesTest, FiftyStepsOverTwiceTheBestDiverge) {
  const auto at = [](double best, double later, int bad) {
    return StepsUntil(AlarmRule::kLossOverBest, 300, 10, [=](int i) {
      return i > 100 && i <= 100 + bad ? later : best;
    });
  };
  // ln 10 = 2.303: above it, and above twice the best.
  EXPECT_EQ(at(1.2, 2.39, 200), 0);
  EXPECT_EQ(at(1.2, 2.41, 200), 150);
  EXPECT_EQ(at(1.2, 2.41, 49), 0);
  EXPECT_EQ(at(1.2, 2.41, 50), 150);
  EXPECT_EQ(at(0.01, 2.30, 200), 0);
  EXPECT_EQ(at(0.01, 2.31, 200), 150);
  // What has learnt all by heart has losses of any size below that.
  EXPECT_EQ(at(0.0001, 0.3, 200), 0);
}

int StepsUntilJump(double norm, int bad, double first = 1, double before = 1) {
  NormHistory history;
  for (int i = 1; i <= 400; ++i) {
    const double now = i <= 60                     ? first
                       : i > 300 && i <= 300 + bad ? norm
                                                   : before;
    if (JudgeNorm({.step = i, .gradient_norm = now}, history).is_bad) {
      return i;
    }
  }
  return 0;
}

TEST(StepRulesTest, ThreeNormsOver20TimesTheMedianExplode) {
  EXPECT_EQ(StepsUntilJump(19.9, 50), 0);
  EXPECT_EQ(StepsUntilJump(20, 50), 0);
  EXPECT_EQ(StepsUntilJump(20.1, 50), 303);
  EXPECT_EQ(StepsUntilJump(20.1, 2), 0);
  EXPECT_EQ(StepsUntilJump(20.1, 3), 303);
  // Where there is next to no gradient left, one of the old size is none.
  EXPECT_EQ(StepsUntilJump(0.9, 50, 1, 0.001), 0);
  EXPECT_EQ(StepsUntilJump(1.1, 50, 1, 0.001), 303);
}

TEST(StepRulesTest, AnotherPhaseHasAnotherMedian) {
  NormHistory history;
  for (int i = 1; i <= 300; ++i) {
    const bool is_second = i > 150;
    EXPECT_FALSE(JudgeNorm({.step = i,
                            .phase = is_second ? 1 : 0,
                            .gradient_norm = is_second ? 100.0 : 1.0},
                           history)
                     .is_bad)
        << i;
  }
}

TEST(EvaluationRulesTest, LessThanTheMajorityAfter30PercentIsNotLearning) {
  const auto judge = [](std::int64_t step, double accuracy) {
    EvaluationHistory history;
    return Find(JudgeEvaluation(
                    kFacts,
                    {.step = step, .examples = 100, .accuracy = accuracy},
                    history),
                AlarmRule::kNotLearning)
        .is_bad;
  };
  EXPECT_FALSE(judge(299, 0.1));
  EXPECT_TRUE(judge(300, 0.1));
  EXPECT_TRUE(judge(301, 0.399));
  EXPECT_FALSE(judge(300, 0.4));
  EXPECT_FALSE(judge(300, 0.401));
}

bool Forgets(double best, double now, std::int64_t examples) {
  EvaluationHistory history;
  for (const double accuracy : {best, now}) {
    const auto found = JudgeEvaluation(kFacts,
                                       {.step = 1,
                                        .examples = examples,
                                        .accuracy = 1,
                                        .old_class_accuracy = accuracy},
                                       history);
    if (accuracy != best || best == now) {
      return Find(found, AlarmRule::kForgetting).is_bad;
    }
    EXPECT_FALSE(Find(found, AlarmRule::kForgetting).is_bad);
  }
  return false;
}

TEST(EvaluationRulesTest, TwoPointsOfOldClassesAreForgetting) {
  constexpr std::int64_t kMany = 1'000'000;
  EXPECT_FALSE(Forgets(0.95, 0.931, kMany));
  EXPECT_FALSE(Forgets(0.95, 0.93, kMany));
  EXPECT_TRUE(Forgets(0.95, 0.929, kMany));
  EXPECT_FALSE(Forgets(0.95, 0.99, kMany));
  // Of 100 pictures that is chance: two standard errors are 4.4 points.
  EXPECT_FALSE(Forgets(0.95, 0.91, 100));
  EXPECT_TRUE(Forgets(0.95, 0.90, 100));
}

// Evaluations until it overfits; 0: never.
int EvaluationsUntilOverfit(double training, double validation,
                            const std::vector<double>& losses) {
  EvaluationHistory history;
  for (std::size_t i = 0; i < losses.size(); ++i) {
    history.correct += static_cast<std::int64_t>(training * 1000);
    history.examples += 1000;
    if (Find(JudgeEvaluation(kFacts,
                             {.step = 1,
                              .examples = 100,
                              .loss = losses[i],
                              .accuracy = validation},
                             history),
             AlarmRule::kOverfit)
            .is_bad) {
      return static_cast<int>(i) + 1;
    }
  }
  return 0;
}

TEST(EvaluationRulesTest, AGapOf20PointsAndThreeRisingLossesOverfit) {
  const std::vector<double> rising = {1, 2, 3, 4, 5};
  EXPECT_EQ(EvaluationsUntilOverfit(0.9, 0.71, rising), 0);
  EXPECT_EQ(EvaluationsUntilOverfit(0.9, 0.7, rising), 0);
  EXPECT_EQ(EvaluationsUntilOverfit(0.9, 0.69, rising), 4);
  EXPECT_EQ(EvaluationsUntilOverfit(1, 0.5, {1, 2, 3, 2.9, 3, 3.1}), 0);
  EXPECT_EQ(EvaluationsUntilOverfit(1, 0.5, {1, 2, 3, 2.9, 3, 3.1, 3.2}), 7);
}

}  // namespace
}  // namespace resnetd
