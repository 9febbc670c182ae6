#include "client/cli/sparkline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace resnetd::cli {
namespace {

using ::testing::DoubleEq;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(SparklineTest, GoesFromTheLeastToTheGreatest) {
  const std::vector<double> rising = {0, 1, 2, 3, 4, 5, 6, 7};
  EXPECT_EQ(Sparkline(rising, true), "▁▂▃▄▅▆▇█");
  EXPECT_EQ(Sparkline(rising, false), "_.-~=+*#");
  EXPECT_EQ(Sparkline({10, -10}, false), "#_");
}

TEST(SparklineTest, IsALineInTheMiddleWhenNothingChanges) {
  EXPECT_EQ(Sparkline({5, 5, 5}, false), "===");
  EXPECT_EQ(Sparkline({}, true), "");
}

TEST(SeriesTest, GivesMeansOfNeighbours) {
  Series series;
  EXPECT_TRUE(series.empty());
  EXPECT_THAT(series.Means(3), IsEmpty());
  for (const double value : {1.0, 3.0, 5.0, 7.0}) {
    series.Add(value);
  }
  EXPECT_THAT(series.Means(2), ElementsAre(DoubleEq(2), DoubleEq(6)));
  EXPECT_THAT(series.Means(10), ElementsAre(1, 3, 5, 7));
  EXPECT_EQ(series.last(), 7);
}

TEST(SeriesTest, LeavesOutWhatIsNotFinite) {
  Series series;
  series.Add(std::nan(""));
  series.Add(INFINITY);
  EXPECT_TRUE(series.empty());
  series.Add(2);
  EXPECT_THAT(series.Means(5), ElementsAre(2));
}

TEST(SeriesTest, KeepsTheCourseOfAnyLengthInBoundedMemory) {
  Series series;
  constexpr int kValues = 100'000;
  for (int i = 0; i < kValues; ++i) {
    series.Add(i);
  }
  EXPECT_LT(series.Means(1'000'000).size(), Series::kMaxValues);
  const std::vector<double> means = series.Means(4);
  ASSERT_EQ(means.size(), 4U);
  for (std::size_t i = 0; i < means.size(); ++i) {
    // The middle of each quarter.
    EXPECT_NEAR(means[i], kValues * (2.0 * static_cast<double>(i) + 1) / 8,
                kValues / 100.0);
  }
  EXPECT_EQ(series.last(), kValues - 1);
}

}  // namespace
}  // namespace resnetd::cli
