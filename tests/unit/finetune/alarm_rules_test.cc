#include "server/finetune/alarm_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

namespace resnetd {
namespace {

namespace limits = alarm_limits;

constexpr AlarmFacts kFacts = {
    .classes = 10, .total_steps = 1000, .majority_share = 0.4};

// Of a network of three blocks that learns.
GradientSample Healthy(std::int64_t step) {
  GradientSample sample;
  sample.step = step;
  sample.examples = 64;
  sample.all = {.gradient = 1, .weights = 10, .update = 0.01};
  for (int i = 0; i < 3; ++i) {
    BlockSample& block = sample.blocks.emplace_back();
    block.paths = PathNorms{1, 1, std::sqrt(2.0), 1, 0};
    block.parameters =
        ParameterNorms{.gradient = 1, .weights = 10, .update = 0.01};
  }
  return sample;
}

AlarmFinding Find(const std::vector<AlarmFinding>& findings, AlarmRule rule) {
  for (const AlarmFinding& finding : findings) {
    if (finding.rule == rule) {
      return finding;
    }
  }
  return {.rule = rule};
}

// The number of the sample, from 1 on, at which `rule` finds something in
// samples that `spoil` changed; 0: never in 100.
int SamplesUntil(AlarmRule rule,
                 const std::function<void(int, GradientSample&)>& spoil,
                 double rate_share = 1) {
  SampleHistory history;
  for (int i = 1; i <= 100; ++i) {
    GradientSample sample = Healthy(500 + i);
    spoil(i, sample);
    if (Find(JudgeSample(kFacts, sample, rate_share, history), rule).is_bad) {
      return i;
    }
  }
  return 0;
}

void SetDepthRatio(double ratio, GradientSample& sample) {
  sample.blocks.back().paths->input = 2;
  sample.blocks.front().paths->input = 2 * ratio;
}

TEST(SampleRulesTest, ADepthRatioUnderTheLimitForTenSamplesVanishes) {
  const auto at = [](double ratio) {
    return SamplesUntil(
        AlarmRule::kVanishing,
        [ratio](int, GradientSample& sample) { SetDepthRatio(ratio, sample); });
  };
  EXPECT_EQ(at(0.000999), 10);
  EXPECT_EQ(at(1e-3), 0);
  EXPECT_EQ(at(0.001001), 0);
  EXPECT_EQ(at(0), 10);
  // Nine are not ten.
  for (const int good : {9, 10, 11}) {
    EXPECT_EQ(SamplesUntil(AlarmRule::kVanishing,
                           [good](int i, GradientSample& sample) {
                             SetDepthRatio(i == good ? 1 : 1e-5, sample);
                           }),
              good <= 10 ? good + 10 : 10)
        << good;
  }
}

TEST(SampleRulesTest, ADepthRatioOverTheLimitForThreeSamplesExplodes) {
  const auto at = [](double ratio, int samples) {
    return SamplesUntil(AlarmRule::kDepthHigh,
                        [=](int i, GradientSample& sample) {
                          SetDepthRatio(i <= samples ? ratio : 1, sample);
                        });
  };
  EXPECT_EQ(at(999, 50), 0);
  EXPECT_EQ(at(1000, 50), 0);
  EXPECT_EQ(at(1001, 50), 3);
  EXPECT_EQ(at(1001, 2), 0);
  EXPECT_EQ(at(1001, 3), 3);
  EXPECT_EQ(at(std::nan(""), 3), 3);
}

TEST(SampleRulesTest, AStepLargerThanTheWeightsExplodesAtOnce) {
  const auto at = [](double update) {
    return SamplesUntil(AlarmRule::kUpdateHuge,
                        [update](int, GradientSample& sample) {
                          sample.blocks[1].parameters->update = 10 * update;
                        });
  };
  EXPECT_EQ(at(0.999), 0);
  EXPECT_EQ(at(1), 0);
  EXPECT_EQ(at(1.001), 1);
  // Of everything together, too; and nothing is a share of no weights.
  EXPECT_EQ(
      SamplesUntil(AlarmRule::kUpdateHuge,
                   [](int, GradientSample& sample) { sample.all.update = 11; }),
      1);
  EXPECT_EQ(
      SamplesUntil(AlarmRule::kUpdateHuge,
                   [](int, GradientSample& sample) { sample.all.weights = 0; }),
      0);
}

TEST(SampleRulesTest, AnUpdateThatChangesNoBitIsFrozen) {
  const auto at = [](double ratio, int bad) {
    return SamplesUntil(
        AlarmRule::kFrozenUpdates, [=](int i, GradientSample& sample) {
          sample.blocks[2].parameters->update = i <= bad ? 10 * ratio : 0.01;
        });
  };
  EXPECT_EQ(at(5.9e-8, 100), 10);
  EXPECT_EQ(at(6e-8 * (1 + 1e-12), 100), 0);
  EXPECT_EQ(at(6.1e-8, 100), 0);
  // The median of ten: five are not more than half.
  EXPECT_EQ(at(0, 5), 0);
  EXPECT_EQ(at(0, 6), 10);
  // Half ulp of a float: below it nothing changes.
  EXPECT_EQ(1.0F + 5.9e-8F, 1.0F);
  EXPECT_GT(1.0F + 6.1e-8F, 1.0F);
}

TEST(SampleRulesTest, AFrozenBlockIsNotFrozenUpdates) {
  EXPECT_EQ(SamplesUntil(AlarmRule::kFrozenUpdates,
                         [](int, GradientSample& sample) {
                           sample.blocks[0].parameters.reset();
                           sample.blocks[0].paths.reset();
                         }),
            0);
}

TEST(SampleRulesTest, TheRateIsSuspectTwoDecadesFromAThousandth) {
  const auto at = [](double ratio, double rate_share = 1) {
    return SamplesUntil(
        AlarmRule::kLearningRate,
        [ratio](int, GradientSample& sample) {
          sample.all.weights = 1;
          sample.all.update = ratio;
        },
        rate_share);
  };
  EXPECT_EQ(at(0.99e-5), 10);
  EXPECT_EQ(at(1e-5), 0);
  EXPECT_EQ(at(1.01e-5), 0);
  EXPECT_EQ(at(0.099), 0);
  EXPECT_EQ(at(0.1), 0);
  EXPECT_EQ(at(0.101), 10);
  // At the end of a cosine rates are small by design.
  EXPECT_EQ(at(1e-6, 0.49), 0);
  EXPECT_EQ(at(1e-6, 0.5), 10);
}

TEST(SampleRulesTest, ABlockThatNothingReachesFor20SamplesIsDead) {
  const auto at = [](double main, double gradient, int bad) {
    return SamplesUntil(AlarmRule::kDeadBlock,
                        [=](int i, GradientSample& sample) {
                          if (i <= bad) {
                            sample.blocks[1].paths->main = main;
                            sample.blocks[1].parameters->gradient = gradient;
                          }
                        });
  };
  EXPECT_EQ(at(0, 0, 19), 0);
  EXPECT_EQ(at(0, 0, 20), 20);
  // A zero gamma that learns: nothing comes back yet, but something arrives.
  EXPECT_EQ(at(0, 1e-9, 100), 0);
  // A share of 1e-6 and more is some.
  EXPECT_EQ(at(0.99e-3, 0, 100), 20);
  EXPECT_EQ(at(1.01e-3, 0, 100), 0);
}

TEST(SampleRulesTest, NothingIsJudgedBeforeTheWarmUpIsOver) {
  // 5 % of 1000 steps are 50.
  for (const std::int64_t step : {49, 50, 51}) {
    SampleHistory history;
    GradientSample sample = Healthy(step);
    sample.all.update = 100;
    EXPECT_EQ(JudgeSample(kFacts, sample, 1, history).empty(), step < 50);
  }
  // Or after 20 samples.
  SampleHistory history;
  for (int i = 1; i <= 21; ++i) {
    EXPECT_EQ(JudgeSample(kFacts, Healthy(1), 1, history).empty(), i <= 20)
        << i;
  }
}

std::optional<int> WindowsUntilNoise(double signal, double loss) {
  NoiseHistory history;
  LossHistory losses;
  losses.first = 2;
  losses.last = {loss};
  for (int i = 1; i <= 100; ++i) {
    GradientSample sample = Healthy(i);
    sample.noise = GradientNoise{.signal = i <= 5 ? 1 : signal, .noise = 96};
    const auto found = JudgeNoise(sample, losses, history);
    EXPECT_EQ(found.has_value(), i % 5 == 0);
    if (found && found->is_bad) {
      EXPECT_THAT(found->text, testing::HasSubstr("examples"));
      return i / 5;
    }
  }
  return std::nullopt;
}

TEST(SampleRulesTest, AGradientInNoiseIsOneWhileTheLossIsHigh) {
  EXPECT_EQ(WindowsUntilNoise(1, 2), std::nullopt);
  EXPECT_EQ(WindowsUntilNoise(0.01, 2), std::nullopt);
  const auto windows = WindowsUntilNoise(-10, 2);
  ASSERT_TRUE(windows.has_value());
  EXPECT_EQ(*windows, 4);  // One healthy, then three.
  // At the end of a training noise is natural.
  EXPECT_EQ(WindowsUntilNoise(-10, 1.001), windows);
  EXPECT_EQ(WindowsUntilNoise(-10, 1), std::nullopt);
  EXPECT_EQ(WindowsUntilNoise(-10, 0.999), std::nullopt);
}

TEST(SampleRulesTest, NumeratorAndDenominatorHaveMeansOfTheirOwn) {
  NoiseHistory history;
  const LossHistory losses;
  // Each single ratio is 100 or -100; that of the means is 200.
  for (int i = 0; i < 400; ++i) {
    GradientSample sample = Healthy(1);
    sample.noise = i % 4 == 0 ? GradientNoise{-1, 100} : GradientNoise{1, 100};
    JudgeNoise(sample, losses, history);
  }
  EXPECT_NEAR(history.noise, 100, 1e-9);
  EXPECT_NEAR(history.noise / history.signal, 200, 45);
}

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
