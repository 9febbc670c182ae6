#include "client/load/arrivals.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <vector>

namespace resnetd::client {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

std::vector<Arrival> AllOf(Arrivals arrivals) {
  std::vector<Arrival> all;
  while (const auto next = arrivals.Next()) {
    all.push_back(*next);
  }
  return all;
}

TEST(ArrivalsTest, ConstantCallsAreOneGapApart) {
  const auto all = AllOf(
      Arrivals({{.rate = 4, .length = seconds(1)}}, Spacing::kConstant, 1));
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[0].due, milliseconds(250));
  EXPECT_EQ(all[2].due, milliseconds(750));
}

TEST(ArrivalsTest, PhasesFollowEachOtherAtTheirRates) {
  const auto all = AllOf(Arrivals({{.rate = 1000, .length = seconds(2)},
                                   {.rate = 10, .length = seconds(10)}},
                                  Spacing::kPoisson, 7));
  std::vector<int> counts(2);
  for (const Arrival& arrival : all) {
    ++counts[arrival.phase];
    EXPECT_EQ(arrival.phase, arrival.due < seconds(2) ? 0U : 1U);
  }
  // Five standard deviations of 2000 and 100 calls.
  EXPECT_NEAR(counts[0], 2000, 5 * std::sqrt(2000));
  EXPECT_NEAR(counts[1], 100, 5 * std::sqrt(100));
}

TEST(ArrivalsTest, GapsOfAPoissonProcessSpreadAsMuchAsTheyAreLong) {
  const auto all = AllOf(
      Arrivals({{.rate = 1000, .length = seconds(20)}}, Spacing::kPoisson, 3));
  double sum = 0;
  double squares = 0;
  Duration last{};
  for (const Arrival& arrival : all) {
    const double gap = ToSeconds(arrival.due - last);
    last = arrival.due;
    sum += gap;
    squares += gap * gap;
  }
  const auto count = static_cast<double>(all.size());
  const double mean = sum / count;
  const double deviation = std::sqrt(squares / count - mean * mean);
  EXPECT_NEAR(mean, 1e-3, 5e-5);
  EXPECT_NEAR(deviation / mean, 1, 0.05);
}

TEST(ArrivalsTest, TheSeedDecidesTheTimes) {
  const std::vector<LoadPhase> phases = {{.rate = 100, .length = seconds(1)}};
  const auto first = AllOf(Arrivals(phases, Spacing::kPoisson, 5));
  const auto same = AllOf(Arrivals(phases, Spacing::kPoisson, 5));
  const auto other = AllOf(Arrivals(phases, Spacing::kPoisson, 6));
  ASSERT_FALSE(first.empty());
  ASSERT_EQ(first.size(), same.size());
  EXPECT_EQ(first.front().due, same.front().due);
  EXPECT_EQ(first.back().due, same.back().due);
  ASSERT_FALSE(other.empty());
  EXPECT_NE(first.front().due, other.front().due);
}

TEST(ArrivalsTest, WithoutPhasesThereAreNone) {
  EXPECT_TRUE(AllOf(Arrivals({}, Spacing::kPoisson, 1)).empty());
}

}  // namespace
}  // namespace resnetd::client
