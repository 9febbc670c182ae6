#include "server/finetune/rate_schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace resnetd {
namespace {

using ::testing::DoubleEq;
using ::testing::ElementsAre;

Recipe TwoPhases() {
  Recipe recipe;
  recipe.phases = {
      {.steps = 4, .trained_parts = {false, false, true}, .rates = {0, 0, 0.8}},
      {.steps = 10,
       .trained_parts = {true, true, true},
       .rates = {0.1, 0.2, 0.4}}};
  recipe.warmup = 0.2;
  return recipe;
}

TEST(PhaseAtTest, CountsStepsWithinEachPhase) {
  const Recipe recipe = TwoPhases();
  EXPECT_EQ(TotalSteps(recipe), 14);
  const auto at = [&](std::int64_t step) {
    const PhasePosition position = PhaseAt(recipe, step);
    return std::pair(position.phase, position.step);
  };
  EXPECT_EQ(at(0), std::pair(std::size_t{0}, std::int64_t{0}));
  EXPECT_EQ(at(3), std::pair(std::size_t{0}, std::int64_t{3}));
  EXPECT_EQ(at(4), std::pair(std::size_t{1}, std::int64_t{0}));
  EXPECT_EQ(at(13), std::pair(std::size_t{1}, std::int64_t{9}));
}

TEST(RateFactorTest, RisesInEqualStepsToTheFullRate) {
  const auto factor = [](std::int64_t step) {
    return RateFactor(RateSchedule::kCosine, 0.1, 100, step);
  };
  EXPECT_DOUBLE_EQ(factor(0), 1.0 / 11);
  EXPECT_DOUBLE_EQ(factor(1), 2.0 / 11);
  EXPECT_DOUBLE_EQ(factor(9), 10.0 / 11);
  EXPECT_DOUBLE_EQ(factor(10), 1);
  EXPECT_LT(factor(11), 1);
}

TEST(RateFactorTest, FallsAsHalfACosineThatIsNotZeroAtTheEnd) {
  const auto factor = [](std::int64_t step) {
    return RateFactor(RateSchedule::kCosine, 0, 10, step);
  };
  EXPECT_DOUBLE_EQ(factor(0), 1);
  EXPECT_NEAR(factor(5), 0.5, 1e-15);
  EXPECT_DOUBLE_EQ(factor(9), 0.5 * (1 + std::cos(0.9 * std::acos(-1.0))));
  EXPECT_GT(factor(9), 0);
  for (std::int64_t step = 1; step < 10; ++step) {
    EXPECT_LT(factor(step), factor(step - 1));
  }
}

TEST(RateFactorTest, StaysConstantWhenAsked) {
  const auto factor = [](std::int64_t step) {
    return RateFactor(RateSchedule::kConstant, 0.2, 10, step);
  };
  EXPECT_DOUBLE_EQ(factor(0), 1.0 / 3);
  EXPECT_DOUBLE_EQ(factor(1), 2.0 / 3);
  EXPECT_DOUBLE_EQ(factor(2), 1);
  EXPECT_DOUBLE_EQ(factor(9), 1);
}

TEST(RateFactorTest, IsAboveZeroAndReachesOneForEveryLength) {
  for (const double warmup : {0.0, 0.1, 0.5, 0.999}) {
    for (std::int64_t steps = 1; steps < 40; ++steps) {
      double most = 0;
      for (std::int64_t step = 0; step < steps; ++step) {
        const double factor =
            RateFactor(RateSchedule::kCosine, warmup, steps, step);
        ASSERT_GT(factor, 0) << warmup << ' ' << steps << ' ' << step;
        ASSERT_LE(factor, 1);
        most = std::max(most, factor);
      }
      EXPECT_DOUBLE_EQ(most, 1) << warmup << ' ' << steps;
    }
  }
}

TEST(RatesAtTest, ScalesThePartsOfThePhase) {
  const Recipe recipe = TwoPhases();
  // Phase 0: round(0.8) = 1 step rises.
  EXPECT_THAT(RatesAt(recipe, 0), ElementsAre(0, 0, DoubleEq(0.4)));
  EXPECT_THAT(RatesAt(recipe, 1), ElementsAre(0, 0, DoubleEq(0.8)));
  // Phase 1: 2 steps rise, each phase anew.
  EXPECT_THAT(
      RatesAt(recipe, 4),
      ElementsAre(DoubleEq(0.1 / 3), DoubleEq(0.2 / 3), DoubleEq(0.4 / 3)));
  EXPECT_THAT(RatesAt(recipe, 6),
              ElementsAre(DoubleEq(0.1), DoubleEq(0.2), DoubleEq(0.4)));
  const double last = 0.5 * (1 + std::cos(7.0 / 8 * std::acos(-1.0)));
  EXPECT_THAT(RatesAt(recipe, 13),
              ElementsAre(DoubleEq(0.1 * last), DoubleEq(0.2 * last),
                          DoubleEq(0.4 * last)));
}

TEST(ScaleByGradientsTest, DividesByTheLargestRatio) {
  const std::vector<double> rates = {0.1, 0.2, 0.4};
  // Ratios 1/4, 1/2 and 1/8.
  const std::vector<PartNorms> parts = {{.gradient = 1, .weights = 4},
                                        {.gradient = 3, .weights = 6},
                                        {.gradient = 1, .weights = 8}};
  EXPECT_THAT(ScaleByGradients(rates, parts),
              ElementsAre(DoubleEq(0.05), DoubleEq(0.2), DoubleEq(0.1)));
}

TEST(ScaleByGradientsTest, DoesNotDependOnTheSizeOfTheLoss) {
  const std::vector<double> rates = {0.1, 0.2};
  EXPECT_EQ(ScaleByGradients(rates, {{1, 4}, {3, 6}}),
            ScaleByGradients(rates, {{1024, 4}, {3072, 6}}));
}

TEST(ScaleByGradientsTest, LeavesRatesWhereThereIsNoRatio) {
  const std::vector<double> rates = {0.1, 0.2, 0.4};
  EXPECT_EQ(ScaleByGradients(rates, {}), rates);
  EXPECT_EQ(ScaleByGradients(rates, {{0, 1}, {0, 2}, {0, 3}}), rates);
  EXPECT_EQ(ScaleByGradients(rates, {{0, 0}, {0, 0}, {0, 0}}), rates);
  // Weights of 0 learn at their rate; the others are compared without them.
  EXPECT_THAT(ScaleByGradients(rates, {{1, 1}, {5, 0}, {1, 2}}),
              ElementsAre(0.1, 0.2, DoubleEq(0.2)));
}

}  // namespace
}  // namespace resnetd
