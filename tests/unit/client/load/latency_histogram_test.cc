#include "client/load/latency_histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <random>
#include <vector>

namespace resnetd::client {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(LatencyHistogramTest, IsEmptyAtFirst) {
  const LatencyHistogram histogram;
  EXPECT_EQ(histogram.count(), 0U);
  EXPECT_EQ(histogram.mean(), Duration::zero());
  EXPECT_EQ(histogram.most(), Duration::zero());
  EXPECT_EQ(histogram.Quantile(0.99), Duration::zero());
}

TEST(LatencyHistogramTest, OneValueIsEveryQuantile) {
  LatencyHistogram histogram;
  histogram.Record(milliseconds(7));
  for (const double share : {0.0, 0.5, 1.0, -1.0, 2.0}) {
    EXPECT_EQ(histogram.Quantile(share), milliseconds(7)) << share;
  }
  EXPECT_EQ(histogram.mean(), milliseconds(7));
}

TEST(LatencyHistogramTest, QuantilesAreThoseOfTheSortedValuesTo1In512) {
  std::mt19937_64 random(1);
  // From 1 us to some minutes.
  std::lognormal_distribution<double> draw(9, 3);
  LatencyHistogram histogram;
  std::vector<Duration> values;
  for (int i = 0; i < 20'000; ++i) {
    const Duration value = microseconds(
        1 + static_cast<std::int64_t>(std::min(draw(random), 4e9)));
    values.push_back(value);
    histogram.Record(value);
  }
  std::sort(values.begin(), values.end());
  for (const double share : {0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    const auto rank = static_cast<std::size_t>(
        std::ceil(share * static_cast<double>(values.size())));
    const double exact = ToSeconds(values[rank - 1]);
    const double found = ToSeconds(histogram.Quantile(share));
    EXPECT_GE(found, exact) << share;
    EXPECT_LE(found, exact * (1 + 1.0 / 512) + 1e-6) << share;
  }
  EXPECT_EQ(histogram.most(), values.back());
}

TEST(LatencyHistogramTest, NeighboursAtTheEdgeOfABucketAreToldApart) {
  // The last value with a bucket of its own and the first one without.
  LatencyHistogram histogram;
  histogram.Record(microseconds(1023));
  histogram.Record(microseconds(1024));
  histogram.Record(microseconds(1'000'000));
  EXPECT_EQ(histogram.Quantile(1.0 / 3), microseconds(1023));
  EXPECT_EQ(histogram.Quantile(2.0 / 3), microseconds(1025));
}

TEST(LatencyHistogramTest, WhatCannotBeKeptCountsAsTheNearestThatCan) {
  LatencyHistogram histogram;
  histogram.Record(-seconds(1));
  EXPECT_EQ(histogram.Quantile(1), Duration::zero());
  histogram.Record(hours(3));
  EXPECT_EQ(histogram.most(), hours(3));
  EXPECT_GT(histogram.Quantile(1), hours(1));
  EXPECT_EQ(histogram.count(), 2U);
}

TEST(LatencyHistogramTest, MergedIsAsIfAllHadBeenRecordedInOne) {
  LatencyHistogram all;
  LatencyHistogram odd;
  LatencyHistogram even;
  for (int i = 1; i <= 1000; ++i) {
    const Duration value = microseconds(i * i);
    all.Record(value);
    (i % 2 == 0 ? even : odd).Record(value);
  }
  odd.Merge(even);
  EXPECT_EQ(odd.count(), all.count());
  EXPECT_EQ(odd.mean(), all.mean());
  EXPECT_EQ(odd.most(), all.most());
  for (const double share : {0.01, 0.5, 0.99}) {
    EXPECT_EQ(odd.Quantile(share), all.Quantile(share));
  }
  odd.Merge(LatencyHistogram());
  EXPECT_EQ(odd.count(), all.count());
}

}  // namespace
}  // namespace resnetd::client
