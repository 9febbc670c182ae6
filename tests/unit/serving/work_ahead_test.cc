#include "server/serving/work_ahead.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace resnetd {
namespace {

using std::chrono::milliseconds;

TEST(WorkAheadTest, CountsWhatGoesBefore) {
  WorkAhead ahead;
  EXPECT_EQ(ahead.Of(Priority::kBatch, "a", {}), Duration::zero());
  ahead.Add(Priority::kBatch, "a", milliseconds(1));
  ahead.Add(Priority::kNormal, "a", milliseconds(20));
  ahead.Add(Priority::kCritical, "a", milliseconds(300));
  EXPECT_EQ(ahead.Of(Priority::kCritical, "a", {}), milliseconds(300));
  EXPECT_EQ(ahead.Of(Priority::kNormal, "a", {}), milliseconds(320));
  EXPECT_EQ(ahead.Of(Priority::kBatch, "a", {}), milliseconds(321));
}

TEST(WorkAheadTest, WhatIsDoneGoesBeforeNobody) {
  WorkAhead ahead;
  ahead.Add(Priority::kNormal, "a", milliseconds(5));
  ahead.Add(Priority::kNormal, "a", milliseconds(2));
  ahead.Add(Priority::kNormal, "a", -milliseconds(4));
  EXPECT_EQ(ahead.Of(Priority::kBatch, "a", {}), milliseconds(3));
  ahead.Add(Priority::kNormal, "a", -milliseconds(3));
  EXPECT_EQ(ahead.Of(Priority::kBatch, "a", {}), Duration::zero());
}

TEST(WorkAheadTest, AnotherCallersWorkGoesBeforeAsFarAsSharesAreEqual) {
  WorkAhead ahead;
  ahead.Add(Priority::kNormal, "flood", milliseconds(1000));
  ahead.Add(Priority::kNormal, "other", milliseconds(4));
  // Nothing of its own waits: of each other one as much as it brings.
  EXPECT_EQ(ahead.Of(Priority::kNormal, "new", milliseconds(10)),
            milliseconds(14));
  ahead.Add(Priority::kNormal, "new", milliseconds(10));
  EXPECT_EQ(ahead.Of(Priority::kNormal, "new", milliseconds(10)),
            milliseconds(10 + 20 + 4));
  // The flood itself waits for all of them.
  EXPECT_EQ(ahead.Of(Priority::kNormal, "flood", milliseconds(10)),
            milliseconds(1014));
  // All of it goes before what may wait.
  EXPECT_EQ(ahead.Of(Priority::kBatch, "new", milliseconds(10)),
            milliseconds(1014));
}

}  // namespace
}  // namespace resnetd
