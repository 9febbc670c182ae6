#include "server/serving/queue_account.h"

#include <gtest/gtest.h>

#include <chrono>

#include "server/base/error.h"

namespace resnetd {
namespace {

using std::chrono::milliseconds;

const SteadyTime kNow{std::chrono::hours(1)};

TEST(QueueAccountTest, GivesBackWhatIsReleased) {
  QueueAccount account({.max_images = 2, .max_bytes = 100}, 1,
                       NullModelMetrics());
  ASSERT_TRUE(account.Reserve(2, 50, kNow, kNoDeadline).ok());
  EXPECT_FALSE(account.Reserve(1, 0, kNow, kNoDeadline).ok());
  account.Release(25);
  EXPECT_EQ(account.load().images, 1U);
  EXPECT_EQ(account.load().bytes, 25U);
  EXPECT_TRUE(account.Reserve(1, 0, kNow, kNoDeadline).ok());
}

TEST(QueueAccountTest, ARefusalReservesNothing) {
  QueueAccount account({.max_images = 2, .max_bytes = 100}, 1,
                       NullModelMetrics());
  EXPECT_FALSE(account.Reserve(3, 10, kNow, kNoDeadline).ok());
  EXPECT_EQ(account.load().images, 0U);
  EXPECT_EQ(account.load().bytes, 0U);
}

TEST(QueueAccountTest, PredictsFromTheFirstBatchOn) {
  QueueAccount account({}, 1, NullModelMetrics());
  account.RecordBatch(4, milliseconds(40));
  EXPECT_TRUE(account.Reserve(5, 0, kNow, kNow + milliseconds(50)).ok());
  const absl::Status refused =
      account.Reserve(1, 0, kNow, kNow + milliseconds(59));
  EXPECT_EQ(DetailsOf(refused).reason, "DEADLINE_UNREACHABLE");
}

TEST(QueueAccountTest, FollowsALastingChangeOfSpeed) {
  QueueAccount account({}, 1, NullModelMetrics());
  account.RecordBatch(1, milliseconds(10));
  for (int i = 0; i < 100; ++i) {
    account.RecordBatch(1, milliseconds(100));
  }
  EXPECT_FALSE(account.Reserve(1, 0, kNow, kNow + milliseconds(95)).ok());
  EXPECT_TRUE(account.Reserve(1, 0, kNow, kNow + milliseconds(105)).ok());
}

}  // namespace
}  // namespace resnetd
