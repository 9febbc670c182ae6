#include "server/base/clock.h"

#include <gtest/gtest.h>

#include <chrono>

namespace resnetd {
namespace {

using std::chrono::milliseconds;

TEST(ClockTest, GoesForwardAsTheSteadyClockDoes) {
  const SteadyTime before = std::chrono::steady_clock::now();
  const SteadyTime now = RealClock().Now();
  EXPECT_GE(now, before);
  EXPECT_LE(now, std::chrono::steady_clock::now());
  EXPECT_GE(RealClock().Now(), now);
}

TEST(ClockTest, TellsTheTimeOfTheCalendar) {
  const WallTime before = std::chrono::system_clock::now();
  const WallTime now = RealClock().WallNow();
  EXPECT_LT(now - before, std::chrono::hours(1));
  EXPECT_GT(now - before, -std::chrono::hours(1));
}

TEST(ClockTest, NeverReachesNoDeadline) {
  EXPECT_LT(RealClock().Now() + std::chrono::hours(24 * 365 * 100),
            kNoDeadline);
}

TEST(ToSecondsTest, KeepsFractions) {
  EXPECT_EQ(ToSeconds(milliseconds(1500)), 1.5);
  EXPECT_EQ(ToSeconds(Duration(1)), 1e-9);
  EXPECT_EQ(ToSeconds(milliseconds(-2)), -0.002);
}

}  // namespace
}  // namespace resnetd
