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
  QueueAccount account({.limits = {.max_images = 2, .max_bytes = 100}},
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
  account.Release({}, 25);
  EXPECT_EQ(account.load().images, 1U);
  EXPECT_EQ(account.load().bytes, 25U);
  EXPECT_TRUE(
      account
          .Reserve(
              {.images = 1, .bytes = 0, .now = kNow, .deadline = kNoDeadline})
          .ok());
}

TEST_F(QueueAccountTest, ARefusalReservesNothing) {
  QueueAccount account({.limits = {.max_images = 2, .max_bytes = 100}},
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
  QueueAccount account({}, NullModelMetrics(), ahead_);
  account.RecordBatch(4, milliseconds(40), kNow);
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
  QueueAccount account({}, NullModelMetrics(), ahead_);
  account.RecordBatch(1, milliseconds(10), kNow);
  for (int i = 0; i < 100; ++i) {
    account.RecordBatch(1, milliseconds(100), kNow);
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
  QueueAccount slow({}, NullModelMetrics(), ahead_);
  QueueAccount account({}, NullModelMetrics(), ahead_);
  slow.RecordBatch(1, milliseconds(100), kNow);
  account.RecordBatch(1, milliseconds(10), kNow);
  ASSERT_TRUE(slow.Reserve({.images = 2, .now = kNow}).ok());
  // 200 ms and a quarter before its own 10.
  EXPECT_EQ(DetailsOf(account.Reserve(
                          {.now = kNow, .deadline = kNow + milliseconds(259)}))
                .reason,
            "DEADLINE_UNREACHABLE");
  slow.Release({}, 0);
  slow.Release({}, 0);
  EXPECT_TRUE(
      account.Reserve({.now = kNow, .deadline = kNow + milliseconds(10)}).ok());
}

TEST_F(QueueAccountTest, WhatHasALowerPriorityGoesBehind) {
  QueueAccount account({}, NullModelMetrics(), ahead_);
  account.RecordBatch(1, milliseconds(10), kNow);
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

TEST_F(QueueAccountTest, AFloodDoesNotShutOthersOut) {
  QueueAccount account({.limits = {.max_wait = milliseconds(100)}},
                       NullModelMetrics(), ahead_);
  account.RecordBatch(1, milliseconds(10), kNow);
  const auto reserve = [&account](const char* who) {
    return account.Reserve({.now = kNow, .identity = who}).ok();
  };
  int flood = 0;
  while (reserve("flood")) {
    ++flood;
  }
  // 100 ms may wait, and the one that runs.
  EXPECT_EQ(flood, 11);
  EXPECT_TRUE(reserve("other"));
  EXPECT_FALSE(reserve("flood"));
}

TEST_F(QueueAccountTest, WhoFindsAFullQueueFindsRoomSoon) {
  QueueAccount account({.limits = {.max_images = 8}}, NullModelMetrics(),
                       ahead_);
  SteadyTime now = kNow;
  const auto reserve = [&](const char* who) {
    return account.Reserve({.now = now, .identity = who}).ok();
  };
  for (int i = 0; i < 8; ++i) {
    ASSERT_TRUE(reserve("flood"));
  }
  EXPECT_FALSE(reserve("other"));
  // Half of the queue is kept for whoever found none.
  for (int i = 0; i < 4; ++i) {
    account.Release({.identity = "flood"}, 0);
    EXPECT_FALSE(reserve("flood"));
  }
  account.Release({.identity = "flood"}, 0);
  EXPECT_TRUE(reserve("flood"));
  EXPECT_TRUE(reserve("other"));
  // For a second.
  now += std::chrono::seconds(1);
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(reserve("flood"));
  }
  EXPECT_EQ(account.load().images, 8U);
}

TEST_F(QueueAccountTest, OneCallerAloneHasTheWholeQueue) {
  QueueAccount account({.limits = {.max_images = 8}}, NullModelMetrics(),
                       ahead_);
  const auto reserve = [&](std::size_t images) {
    return account.Reserve({.images = images, .now = kNow}).ok();
  };
  EXPECT_TRUE(reserve(7));
  EXPECT_FALSE(reserve(2));
  EXPECT_TRUE(reserve(1));
}

TEST_F(QueueAccountTest, ACheckLetsNobodyIn) {
  QueueAccount account({.limits = {.max_images = 1}}, NullModelMetrics(),
                       ahead_);
  EXPECT_TRUE(account.Check({.now = kNow}).ok());
  EXPECT_TRUE(account.Reserve({.now = kNow}).ok());
  EXPECT_EQ(DetailsOf(account.Check({.now = kNow})).reason, "QUEUE_FULL");
  EXPECT_EQ(account.load().images, 1U);
}

TEST_F(QueueAccountTest, DecodersOfAllModelsAreSharedAndGivenBackExactly) {
  DecodeWork decode(1);
  const AccountOptions options{.limits = {.max_wait = milliseconds(100)}};
  QueueAccount one(options, NullModelMetrics(), ahead_, &decode);
  QueueAccount two(options, NullModelMetrics(), ahead_, &decode);
  const auto reserve = [](QueueAccount& account, Duration time) {
    return account.Reserve({.now = kNow, .decode = time});
  };
  ASSERT_TRUE(reserve(one, milliseconds(60)).ok());
  ASSERT_TRUE(reserve(two, milliseconds(41)).ok());
  // What is refused is not in the books, and neither is who only asks.
  EXPECT_EQ(DetailsOf(reserve(two, milliseconds(1))).reason, "OVERLOADED");
  EXPECT_TRUE(two.Check({.now = kNow}).ok());
  EXPECT_EQ(decode.announced(), milliseconds(101));
  // Who needs no decoder does not wait for them.
  EXPECT_TRUE(reserve(two, {}).ok());
  // What is learnt in between is not in the books.
  one.RecordDecode(milliseconds(60), milliseconds(181));
  one.ReleaseDecode({}, milliseconds(60));
  EXPECT_EQ(decode.announced(), milliseconds(41));
  EXPECT_FALSE(reserve(one, milliseconds(1)).ok());
  two.ReleaseDecode({}, milliseconds(41));
  EXPECT_EQ(decode.announced(), Duration::zero());
  EXPECT_TRUE(reserve(one, milliseconds(1)).ok());
}

// Remembers the depths it is told, in their order. Thread-safe.
class DepthLog final : public ModelMetrics {
 public:
  void ObserveStage(Stage, Duration) override {}
  void ObserveBatch(std::size_t, std::size_t) override {}
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
  QueueAccount account({}, log, ahead_);
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&account] {
        for (int i = 0; i < 2000; ++i) {
          EXPECT_TRUE(account.Reserve({.now = kNow}).ok());
          account.Release({}, 0);
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
