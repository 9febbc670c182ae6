#include "server/nn/lab/loss_spikes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

namespace resnetd {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// 0, 1, 2, 3, 4, 0, ...: of whole rounds the median is 2, and the median
// absolute deviation 1.
std::vector<double> Rounds(std::size_t count) {
  std::vector<double> losses;
  for (std::size_t i = 0; i < count; ++i) {
    losses.push_back(static_cast<double>(i % 5));
  }
  return losses;
}

TEST(LossSpikesTest, TakesWhatIsOverSixDeviationsAboveTheMedian) {
  std::vector<double> losses = Rounds(40);
  losses.push_back(8);
  EXPECT_THAT(LossSpikes(losses), IsEmpty());
  losses.back() = std::nextafter(8, 9);
  EXPECT_THAT(LossSpikes(losses), ElementsAre(40U));
}

TEST(LossSpikesTest, ADropIsNone) {
  std::vector<double> losses = Rounds(40);
  losses.push_back(-100);
  EXPECT_THAT(LossSpikes(losses), IsEmpty());
}

TEST(LossSpikesTest, SaysNothingOfTheFirstLosses) {
  std::vector<double> losses = Rounds(kLeastSpikeWindow - 1);
  losses.push_back(100);
  EXPECT_THAT(LossSpikes(losses), IsEmpty());
  losses = Rounds(kLeastSpikeWindow);
  losses.push_back(100);
  EXPECT_THAT(LossSpikes(losses), ElementsAre(kLeastSpikeWindow));
  EXPECT_THAT(LossSpikes({}), IsEmpty());
}

TEST(LossSpikesTest, ForgetsWhatIsBeforeTheWindow) {
  // At 60 the high losses are before the window.
  std::vector<double> losses(10, 50.0);
  const std::vector<double> low = Rounds(kSpikeWindow);
  losses.insert(losses.end(), low.begin(), low.end());
  losses.push_back(9);
  EXPECT_THAT(LossSpikes(losses), ElementsAre(60U));
  losses.erase(losses.begin() + 10, losses.begin() + 50);
  EXPECT_THAT(LossSpikes(losses), IsEmpty());
}

TEST(LossSpikesTest, WhatIsNotFiniteIsOneAndMovesNoMedian) {
  std::vector<double> losses = Rounds(20);
  losses.push_back(std::numeric_limits<double>::quiet_NaN());
  losses.push_back(std::numeric_limits<double>::infinity());
  losses.push_back(3);
  EXPECT_THAT(LossSpikes(losses), ElementsAre(20U, 21U));
}

}  // namespace
}  // namespace resnetd
