#include "server/engine/histogram.h"

#include <cmath>
#include <limits>
#include <vector>

#include "gtest/gtest.h"

namespace resnetd {
namespace {

// 1/count, 2/count, ... 1.
std::vector<float> Ramp(int count) {
  std::vector<float> values;
  for (int i = 1; i <= count; ++i) {
    values.push_back(static_cast<float>(i) / static_cast<float>(count));
  }
  return values;
}

TEST(HistogramTest, KeepsTheLargestMagnitudeExactly) {
  Histogram histogram;
  histogram.Add({0.5F, -3.25F, 1.0F});
  EXPECT_EQ(histogram.largest(), 3.25);
  EXPECT_EQ(histogram.count(), 3);
}

TEST(HistogramTest, LeavesOutZerosAndWhatIsNotFinite) {
  Histogram histogram;
  histogram.Add({0.0F, -0.0F, std::numeric_limits<float>::infinity(),
                 std::numeric_limits<float>::quiet_NaN()});
  EXPECT_EQ(histogram.count(), 0);
  EXPECT_EQ(histogram.largest(), 0);
  EXPECT_EQ(histogram.Percentile(0.999), 0);
  EXPECT_EQ(histogram.LeastDivergence(128), 0);
}

TEST(HistogramTest, PercentilesOfARamp) {
  Histogram histogram;
  histogram.Add(Ramp(100'000));
  const double bin = 1.0 / Histogram::kBins;
  for (const double share : {0.1, 0.5, 0.9, 0.99, 0.999}) {
    EXPECT_NEAR(histogram.Percentile(share), share, 2 * bin);
  }
  EXPECT_EQ(histogram.Percentile(1.0), 1.0);
}

TEST(HistogramTest, TheOrderOfLargeAndSmallValuesDoesNotMatter) {
  Histogram grown;
  grown.Add(Ramp(1000));
  grown.Add({1024.0F});
  Histogram at_once;
  at_once.Add({1024.0F});
  at_once.Add(Ramp(1000));
  EXPECT_EQ(grown.count(), at_once.count());
  for (const double share : {0.2, 0.9, 0.999, 0.9999}) {
    EXPECT_EQ(grown.Percentile(share), at_once.Percentile(share)) << share;
  }
  EXPECT_EQ(grown.largest(), 1024);
}

TEST(HistogramTest, APercentileLeavesOutTheFewLargeOnes) {
  Histogram histogram;
  histogram.Add(Ramp(100'000));
  histogram.Add({50.0F, 60.0F});
  EXPECT_NEAR(histogram.Percentile(0.9999), 1.0, 0.1);
  EXPECT_EQ(histogram.largest(), 60);
}

TEST(HistogramTest, LeastDivergenceKeepsARangeThatIsEvenlyFull) {
  Histogram histogram;
  histogram.Add(Ramp(100'000));
  EXPECT_GE(histogram.LeastDivergence(128), 0.9);
}

TEST(HistogramTest, LeastDivergenceCutsOffALongThinTail) {
  Histogram histogram;
  // Magnitudes that fall off exponentially, and five a hundred times as large.
  std::vector<float> values;
  for (int i = 1; i < 100'000; ++i) {
    values.push_back(static_cast<float>(-std::log(i / 100'000.0)));
  }
  histogram.Add(values);
  histogram.Add({400.0F, 500.0F, 600.0F, 700.0F, 800.0F});
  const double range = histogram.LeastDivergence(128);
  EXPECT_GT(range, 4);
  EXPECT_LT(range, 200);
}

TEST(HistogramTest, OneValueIsItsOwnRange) {
  Histogram histogram;
  histogram.Add({2.5F});
  EXPECT_EQ(histogram.Percentile(0.999), 2.5);
  EXPECT_EQ(histogram.LeastDivergence(128), 2.5);
}

}  // namespace
}  // namespace resnetd
