#include "server/serving/queue_account.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <vector>

#include "server/base/error.h"
#include "server/base/mutex.h"

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

// Remembers the depths it is told, in their order. Thread-safe.
class DepthLog final : public ModelMetrics {
 public:
  void ObserveStage(Stage, Duration) override {}
  void ObserveBatch(std::size_t) override {}
  void CountBatchClosed(BatchClose) override {}
  void CountDeadlineMissed(Stage) override {}
  void CountImage(absl::StatusCode) override {}
  void CountRejected(absl::string_view) override {}
  void SetQueue(std::size_t depth, std::size_t) override {
    const MutexLock lock(mutex_);
    depths_.push_back(depth);
  }
  std::vector<std::size_t> depths() {
    const MutexLock lock(mutex_);
    return depths_;
  }

 private:
  Mutex mutex_;
  std::vector<std::size_t> depths_ ABSL_GUARDED_BY(mutex_);
};

TEST_F(QueueAccountTest, TellsTheDepthInTheOrderInWhichItChanges) {
  DepthLog log;
  QueueAccount account({}, 1, log, ahead_);
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&account] {
        for (int i = 0; i < 2000; ++i) {
          EXPECT_TRUE(account.Reserve({.now = kNow}).ok());
          account.Release(Priority::kNormal, 0);
        }
      });
    }
  }
  // One image comes or goes at a time.
  std::size_t before = 0;
  for (const std::size_t depth : log.depths()) {
    ASSERT_EQ(std::max(depth, before) - std::min(depth, before), 1U);
    before = depth;
  }
  EXPECT_EQ(before, 0U);
}

}  // namespace
}  // namespace resnetd
