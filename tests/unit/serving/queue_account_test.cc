#include "server/serving/queue_account.h"

#include <gtest/gtest.h>

#include <chrono>

#include "server/base/error.h"

namespace resnetd {
namespace {

using std::chrono::milliseconds;

const SteadyTime kNow{std::chrono::hours(1)};

class QueueAccountTest : public testing::Test {
 protected:
  WorkAhead ahead_;
};

TEST_F(QueueAccountTest, GivesBackWhatIsReleased) {
  QueueAccount account({.max_images = 2, .max_bytes = 100}, 1,
                       NullModelMetrics(), ahead_);
  ASSERT_TRUE(
      account
          .Reserve(
              {.images = 2, .bytes = 50, .now = kNow, .deadline = kNoDeadline})
          .ok());
  EXPECT_FALSE(
      account
          .Reserve(
              {.images = 1, .bytes = 0, .now = kNow, .deadline = kNoDeadline})
          .ok());
  account.Release(Priority::kNormal, 25);
  EXPECT_EQ(account.load().images, 1U);
  EXPECT_EQ(account.load().bytes, 25U);
  EXPECT_TRUE(
      account
          .Reserve(
              {.images = 1, .bytes = 0, .now = kNow, .deadline = kNoDeadline})
          .ok());
}

TEST_F(QueueAccountTest, ARefusalReservesNothing) {
  QueueAccount account({.max_images = 2, .max_bytes = 100}, 1,
                       NullModelMetrics(), ahead_);
  EXPECT_FALSE(
      account
          .Reserve(
              {.images = 3, .bytes = 10, .now = kNow, .deadline = kNoDeadline})
          .ok());
  EXPECT_EQ(account.load().images, 0U);
  EXPECT_EQ(account.load().bytes, 0U);
}

TEST_F(QueueAccountTest, PredictsFromTheFirstBatchOn) {
  QueueAccount account({}, 1, NullModelMetrics(), ahead_);
  account.RecordBatch(4, milliseconds(40));
  EXPECT_TRUE(account
                  .Reserve({.images = 5,
                            .bytes = 0,
                            .now = kNow,
                            .deadline = kNow + milliseconds(50)})
                  .ok());
  const absl::Status refused =
      account.Reserve({.images = 1,
                       .bytes = 0,
                       .now = kNow,
                       .deadline = kNow + milliseconds(59)});
  EXPECT_EQ(DetailsOf(refused).reason, "DEADLINE_UNREACHABLE");
}

TEST_F(QueueAccountTest, FollowsALastingChangeOfSpeed) {
  QueueAccount account({}, 1, NullModelMetrics(), ahead_);
  account.RecordBatch(1, milliseconds(10));
  for (int i = 0; i < 100; ++i) {
    account.RecordBatch(1, milliseconds(100));
  }
  EXPECT_FALSE(account
                   .Reserve({.images = 1,
                             .bytes = 0,
                             .now = kNow,
                             .deadline = kNow + milliseconds(95)})
                   .ok());
  EXPECT_TRUE(account
                  .Reserve({.images = 1,
                            .bytes = 0,
                            .now = kNow,
                            .deadline = kNow + milliseconds(105)})
                  .ok());
}

TEST_F(QueueAccountTest, WhatOtherModelsWaitForGoesBefore) {
  QueueAccount slow({}, 1, NullModelMetrics(), ahead_);
  QueueAccount account({}, 1, NullModelMetrics(), ahead_);
  slow.RecordBatch(1, milliseconds(100));
  account.RecordBatch(1, milliseconds(10));
  ASSERT_TRUE(slow.Reserve({.images = 2, .now = kNow}).ok());
  // 200 ms and a quarter before its own 10.
  EXPECT_EQ(DetailsOf(account.Reserve(
                          {.now = kNow, .deadline = kNow + milliseconds(259)}))
                .reason,
            "DEADLINE_UNREACHABLE");
  slow.Release(Priority::kNormal, 0);
  slow.Release(Priority::kNormal, 0);
  EXPECT_TRUE(
      account.Reserve({.now = kNow, .deadline = kNow + milliseconds(10)}).ok());
}

TEST_F(QueueAccountTest, WhatHasALowerPriorityGoesBehind) {
  QueueAccount account({}, 1, NullModelMetrics(), ahead_);
  account.RecordBatch(1, milliseconds(10));
  ASSERT_TRUE(
      account.Reserve({.images = 50, .priority = Priority::kBatch, .now = kNow})
          .ok());
  const SteadyTime soon = kNow + milliseconds(10);
  EXPECT_TRUE(
      account
          .Reserve(
              {.priority = Priority::kCritical, .now = kNow, .deadline = soon})
          .ok());
  EXPECT_FALSE(
      account
          .Reserve(
              {.priority = Priority::kNormal, .now = kNow, .deadline = soon})
          .ok());
}

}  // namespace
}  // namespace resnetd
