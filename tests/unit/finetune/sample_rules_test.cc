#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "server/finetune/alarm_rules.h"
#include "tests/unit/finetune/alarm_rules_fixture.h"

namespace resnetd {
namespace {

namespace limits = alarm_limits;

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
    block.main_weights = 0.5;
  }
  return sample;
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
                            sample.blocks[1].main_weights = gradient;
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

}  // namespace
}  // namespace resnetd
