#include "server/serving/batch_times.h"

#include <gtest/gtest.h>

#include <chrono>
#include <random>

namespace resnetd {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(BatchTimesTest, KnowsNothingBeforeTheFirstBatch) {
  const BatchTimes times(4);
  EXPECT_TRUE(times.empty());
  EXPECT_EQ(times.OfBatch(4), Duration::zero());
  EXPECT_EQ(times.PerImage(), Duration::zero());
  EXPECT_EQ(times.OfImages(9), Duration::zero());
}

TEST(BatchTimesTest, OneImageTellsOfAllSizes) {
  BatchTimes times(4);
  times.Record(1, milliseconds(10));
  EXPECT_EQ(times.OfBatch(1), milliseconds(10));
  EXPECT_EQ(times.OfBatch(3), milliseconds(30));
  EXPECT_EQ(times.PerImage(), milliseconds(10));
  EXPECT_EQ(times.OfImages(9), milliseconds(90));
}

TEST(BatchTimesTest, SizesInBetweenAreInterpolated) {
  BatchTimes times(8);
  times.Record(2, milliseconds(10));
  times.Record(6, milliseconds(18));
  EXPECT_EQ(times.OfBatch(1), milliseconds(5));
  EXPECT_EQ(times.OfBatch(3), milliseconds(12));
  EXPECT_EQ(times.OfBatch(5), milliseconds(16));
  EXPECT_EQ(times.OfBatch(8), milliseconds(24));
  // Eight, and one.
  EXPECT_EQ(times.OfImages(9), milliseconds(29));
  EXPECT_EQ(times.PerImage(), milliseconds(3));
}

TEST(BatchTimesTest, WhereSomeSizesAreAllowedTheNextLargerOneCounts) {
  BatchTimes times(8, {1, 2, 4, 8});
  // As four.
  times.Record(3, milliseconds(40));
  times.Record(8, milliseconds(60));
  EXPECT_EQ(times.RowsOf(1), 1U);
  EXPECT_EQ(times.RowsOf(3), 4U);
  EXPECT_EQ(times.RowsOf(4), 4U);
  EXPECT_EQ(times.RowsOf(5), 8U);
  EXPECT_EQ(times.OfBatch(2), milliseconds(20));
  EXPECT_EQ(times.OfBatch(3), milliseconds(40));
  EXPECT_EQ(times.OfBatch(4), milliseconds(40));
  EXPECT_EQ(times.OfBatch(5), milliseconds(60));
  // Eight, and three that are filled up.
  EXPECT_EQ(times.OfImages(11), milliseconds(100));
}

TEST(BatchTimesTest, TheTableNeverFallsWithTheSize) {
  std::mt19937 random(1);
  std::uniform_int_distribution<int> size(1, 16);
  std::uniform_int_distribution<int> time(1, 1000);
  BatchTimes times(16);
  for (int i = 0; i < 2000; ++i) {
    times.Record(static_cast<std::size_t>(size(random)),
                 milliseconds(time(random)));
    for (std::size_t n = 1; n < 16; ++n) {
      ASSERT_LE(times.OfBatch(n), times.OfBatch(n + 1)) << i;
    }
    ASSERT_GT(times.OfBatch(1), Duration::zero());
  }
}

TEST(BatchTimesTest, WhatFallsIsAveraged) {
  BatchTimes times(2);
  times.Record(1, milliseconds(30));
  times.Record(2, milliseconds(20));
  EXPECT_EQ(times.OfBatch(1), milliseconds(25));
  EXPECT_EQ(times.OfBatch(2), milliseconds(25));
}

TEST(BatchTimesTest, ABatchThatWasHeldUpChangesNothing) {
  BatchTimes times(1);
  for (int i = 0; i < 100; ++i) {
    times.Record(1, i % 8 == 5 ? seconds(2) : milliseconds(10));
    if (i != 5) {
      ASSERT_EQ(times.OfBatch(1), milliseconds(10)) << i;
    }
  }
}

TEST(BatchTimesTest, ASlowFirstBatchIsForgottenWithTheSecond) {
  BatchTimes times(1);
  times.Record(1, seconds(5));
  EXPECT_EQ(times.OfBatch(1), seconds(5));
  times.Record(1, milliseconds(10));
  EXPECT_EQ(times.OfBatch(1), milliseconds(10));
}

TEST(BatchTimesTest, ALastingChangeIsFollowedWithinEightBatches) {
  BatchTimes times(1);
  for (int i = 0; i < 100; ++i) {
    times.Record(1, milliseconds(10));
  }
  for (int i = 0; i < 8; ++i) {
    times.Record(1, milliseconds(100));
  }
  EXPECT_EQ(times.OfBatch(1), milliseconds(100));
  for (int i = 0; i < 8; ++i) {
    times.Record(1, milliseconds(10));
  }
  EXPECT_EQ(times.OfBatch(1), milliseconds(10));
}

TEST(BatchTimesTest, ASizeThatRunsNoMoreIsForgotten) {
  BatchTimes times(4);
  times.Record(1, milliseconds(100));
  for (int i = 0; i < 63; ++i) {
    times.Record(4, milliseconds(40));
  }
  // Held against what four take, as long as it counts.
  EXPECT_EQ(times.OfBatch(4), milliseconds(70));
  times.Record(4, milliseconds(40));
  EXPECT_EQ(times.OfBatch(4), milliseconds(40));
  EXPECT_EQ(times.OfBatch(1), milliseconds(10));
}

TEST(BatchTimesTest, NoBatchTakesNoTime) {
  BatchTimes times(1);
  times.Record(1, Duration::zero());
  EXPECT_FALSE(times.empty());
  EXPECT_EQ(times.OfBatch(1), Duration(1));
}

}  // namespace
}  // namespace resnetd
