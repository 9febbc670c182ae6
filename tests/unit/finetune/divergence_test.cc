#include "server/finetune/divergence.h"

#include <gtest/gtest.h>

namespace resnetd {
namespace {

// Steps until the monitor says so; -1: never.
int StepsUntilDiverged(DivergenceMonitor& monitor, double first, double later,
                       int steps) {
  for (int i = 0; i < steps; ++i) {
    if (monitor.Add(i < 10 ? first : later)) {
      return i;
    }
  }
  return -1;
}

TEST(DivergenceTest, ALossThatFallsOrStaysIsFine) {
  DivergenceMonitor monitor(10);
  EXPECT_EQ(StepsUntilDiverged(monitor, 2.3, 0.1, 100), -1);
  DivergenceMonitor same(10);
  EXPECT_EQ(StepsUntilDiverged(same, 2.3, 2.3, 100), -1);
}

TEST(DivergenceTest, NeedsFourTimesTheFirstLossAndTwiceThatOfGuessing) {
  // 2 ln 10 = 4.605.
  DivergenceMonitor below_guessing(10);
  EXPECT_EQ(StepsUntilDiverged(below_guessing, 0.1, 4.6, 100), -1);
  DivergenceMonitor above_guessing(10);
  EXPECT_EQ(StepsUntilDiverged(above_guessing, 0.1, 4.7, 100), 19);
  DivergenceMonitor below_growth(10);
  EXPECT_EQ(StepsUntilDiverged(below_growth, 2.0, 7.9, 100), -1);
  DivergenceMonitor above_growth(10);
  EXPECT_EQ(StepsUntilDiverged(above_growth, 2.0, 8.1, 100), 19);
}

TEST(DivergenceTest, OneBadBatchIsNoReason) {
  DivergenceMonitor monitor(10);
  for (int i = 0; i < 100; ++i) {
    EXPECT_FALSE(monitor.Add(i == 50 ? 40.0 : 1.0)) << i;
  }
}

TEST(DivergenceTest, ForgetsWhatWasBeforeAReturn) {
  DivergenceMonitor monitor(10);
  ASSERT_EQ(StepsUntilDiverged(monitor, 0.1, 50, 100), 19);
  monitor.Forget();
  EXPECT_EQ(StepsUntilDiverged(monitor, 0.1, 0.1, 100), -1);
}

}  // namespace
}  // namespace resnetd
