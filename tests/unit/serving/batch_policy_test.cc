#include "server/serving/batch_policy.h"

#include <gtest/gtest.h>

#include <chrono>
#include <vector>

#include "server/models/batch_sizes.h"

namespace resnetd {
namespace {

using std::chrono::milliseconds;

const SteadyTime kStart{std::chrono::hours(1)};

Urgency At(Priority priority, int deadline_ms, std::uint64_t sequence) {
  return {.priority = priority,
          .deadline = kStart + milliseconds(deadline_ms),
          .sequence = sequence};
}

// Batches of n images take `first` and `each` for every further one.
BatchTimes Times(Duration first, Duration each, std::size_t max_batch) {
  BatchTimes times(max_batch);
  for (std::size_t n = 1; n <= max_batch; ++n) {
    times.Record(n, first + each * static_cast<std::int64_t>(n - 1));
  }
  return times;
}

struct BatchCase {
  std::size_t max_batch;
  std::size_t queued;
  std::size_t idle;
  std::size_t images;
  BatchClose close;
};

class DecideBatchTest : public testing::TestWithParam<BatchCase> {};

TEST_P(DecideBatchTest, TakesTheFairShareUpToTheCap) {
  const BatchCase& c = GetParam();
  const BatchDecision decision = DecideBatch(
      {.max_batch = c.max_batch, .queued = c.queued, .idle_workers = c.idle},
      BatchTimes{});
  EXPECT_EQ(decision.images, c.images);
  EXPECT_EQ(decision.close, c.close);
}

INSTANTIATE_TEST_SUITE_P(
    Table, DecideBatchTest,
    testing::Values(BatchCase{4, 1, 1, 1, BatchClose::kDrained},
                    BatchCase{4, 3, 1, 3, BatchClose::kDrained},
                    BatchCase{4, 4, 1, 4, BatchClose::kFull},
                    BatchCase{4, 5, 1, 4, BatchClose::kFull},
                    BatchCase{4, 4, 2, 2, BatchClose::kShared},
                    BatchCase{4, 5, 2, 3, BatchClose::kShared},
                    BatchCase{4, 9, 2, 4, BatchClose::kFull},
                    BatchCase{4, 1, 3, 1, BatchClose::kDrained},
                    BatchCase{1, 100, 1, 1, BatchClose::kFull},
                    BatchCase{128, 100, 8, 13, BatchClose::kShared}));

struct TimedCase {
  Duration first;
  Duration each;
  Duration objective;
  Duration left;
  std::size_t images;
  BatchClose close;
};

class DecideTimedBatchTest : public testing::TestWithParam<TimedCase> {};

TEST_P(DecideTimedBatchTest, KeepsWithinObjectiveAndDeadline) {
  const TimedCase& c = GetParam();
  const BatchDecision decision = DecideBatch(
      {.max_batch = 8, .queued = 20, .objective = c.objective, .left = c.left},
      Times(c.first, c.each, 8));
  EXPECT_EQ(decision.images, c.images);
  EXPECT_EQ(decision.close, c.close);
}

constexpr Duration kAny = Duration::max();

INSTANTIATE_TEST_SUITE_P(
    Table, DecideTimedBatchTest,
    testing::Values(
        // Twice 80 ms.
        TimedCase{milliseconds(10), milliseconds(10), milliseconds(160), kAny,
                  8, BatchClose::kFull},
        TimedCase{milliseconds(10), milliseconds(10), milliseconds(159), kAny,
                  7, BatchClose::kFull},
        // Not even one is within it.
        TimedCase{milliseconds(10), milliseconds(10), milliseconds(1), kAny, 1,
                  BatchClose::kFull},
        // Of what costs the same by image, as many as are in time.
        TimedCase{milliseconds(10),
                  milliseconds(10),
                  {},
                  milliseconds(80),
                  8,
                  BatchClose::kFull},
        TimedCase{milliseconds(10),
                  milliseconds(10),
                  {},
                  milliseconds(79),
                  7,
                  BatchClose::kDeadline},
        TimedCase{milliseconds(10),
                  milliseconds(10),
                  {},
                  milliseconds(10),
                  1,
                  BatchClose::kDeadline},
        // Too late in any case.
        TimedCase{milliseconds(10),
                  milliseconds(10),
                  {},
                  milliseconds(9),
                  8,
                  BatchClose::kFull},
        // One would be in time, at 4 times the price by image.
        TimedCase{milliseconds(10),
                  milliseconds(1),
                  {},
                  milliseconds(10),
                  8,
                  BatchClose::kFull},
        // 15 ms for six, 17 for eight: 1.18 times the price.
        TimedCase{milliseconds(10),
                  milliseconds(1),
                  {},
                  milliseconds(15),
                  6,
                  BatchClose::kDeadline}));

struct AllowedCase {
  std::vector<std::size_t> allowed;
  std::size_t queued;
  Duration objective;
  Duration left;
  std::size_t images;
  BatchClose close;
};

class DecideAllowedBatchTest : public testing::TestWithParam<AllowedCase> {};

// Of n rows: 10 ms and 10 for every further one.
TEST_P(DecideAllowedBatchTest, CountsWhatTheBatchIsFilledUpTo) {
  const AllowedCase& c = GetParam();
  BatchTimes times(8, c.allowed);
  for (const std::size_t size : c.allowed) {
    times.Record(size, milliseconds(10) * static_cast<std::int64_t>(size));
  }
  const BatchDecision decision = DecideBatch({.max_batch = 8,
                                              .queued = c.queued,
                                              .objective = c.objective,
                                              .left = c.left},
                                             times);
  EXPECT_EQ(decision.images, c.images);
  EXPECT_EQ(decision.close, c.close);
}

INSTANTIATE_TEST_SUITE_P(
    Table, DecideAllowedBatchTest,
    testing::Values(
        // Filled up, not held back.
        AllowedCase{{1, 2, 4, 8}, 3, {}, kAny, 3, BatchClose::kDrained},
        AllowedCase{{1, 2, 4, 8}, 20, {}, kAny, 8, BatchClose::kFull},
        // Twice 80 ms; below it the next smaller one that runs.
        AllowedCase{
            {1, 2, 4, 8}, 20, milliseconds(160), kAny, 8, BatchClose::kFull},
        AllowedCase{
            {1, 2, 4, 8}, 20, milliseconds(159), kAny, 4, BatchClose::kFull},
        AllowedCase{
            {1, 2, 4, 8}, 3, milliseconds(79), kAny, 2, BatchClose::kFull},
        // None is within it: the smallest, and full.
        AllowedCase{{4, 8}, 20, milliseconds(1), kAny, 4, BatchClose::kFull},
        // Five run as eight, four are in time.
        AllowedCase{
            {1, 2, 4, 8}, 5, {}, milliseconds(80), 5, BatchClose::kDrained},
        AllowedCase{
            {1, 2, 4, 8}, 5, {}, milliseconds(79), 4, BatchClose::kDeadline},
        AllowedCase{
            {1, 2, 4, 8}, 5, {}, milliseconds(40), 4, BatchClose::kDeadline},
        AllowedCase{
            {1, 2, 4, 8}, 5, {}, milliseconds(39), 2, BatchClose::kDeadline}));

TEST(RowsOfTest, IsTheSmallestAllowedSizeThatHoldsThem) {
  const std::vector<std::size_t> allowed = {2, 4, 8};
  EXPECT_EQ(RowsOf(1, allowed), 2U);
  EXPECT_EQ(RowsOf(2, allowed), 2U);
  EXPECT_EQ(RowsOf(3, allowed), 4U);
  EXPECT_EQ(RowsOf(8, allowed), 8U);
  EXPECT_EQ(RowsOf(9, allowed), 9U);
  EXPECT_EQ(RowsOf(3, {}), 3U);
}

TEST(UrgencyTest, PriorityBeatsDeadlineBeatsArrival) {
  EXPECT_LT(At(Priority::kCritical, 900, 9), At(Priority::kNormal, 1, 1));
  EXPECT_LT(At(Priority::kNormal, 900, 9), At(Priority::kBatch, 1, 1));
  EXPECT_LT(At(Priority::kNormal, 1, 9), At(Priority::kNormal, 2, 1));
  EXPECT_LT(At(Priority::kNormal, 1, 1), At(Priority::kNormal, 1, 2));
  EXPECT_FALSE(At(Priority::kNormal, 1, 1) < At(Priority::kNormal, 1, 1));
}

FlowHead Head(int deadline_ms, std::uint64_t sequence, int served_ms,
              int slack_ms = 0) {
  return {.urgency = At(Priority::kNormal, deadline_ms, sequence),
          .served = milliseconds(served_ms),
          .slack = milliseconds(slack_ms)};
}

TEST(ChooseFlowTest, TakesTheMostUrgentOfThoseThatHadNoMoreThanTheirShare) {
  // The first is the most urgent, and had more than the others.
  const std::vector<FlowHead> flows = {Head(1, 1, 11, 9), Head(5, 2, 1),
                                       Head(3, 3, 1), Head(4, 4, 1)};
  EXPECT_EQ(ChooseFlow(flows), 2U);
}

TEST(ChooseFlowTest, SlackLetsDeadlinesDecide) {
  EXPECT_EQ(
      ChooseFlow(std::vector<FlowHead>{Head(1, 1, 11, 10), Head(5, 2, 1)}), 0U);
  EXPECT_EQ(
      ChooseFlow(std::vector<FlowHead>{Head(1, 1, 12, 10), Head(5, 2, 1)}), 1U);
}

TEST(ChooseFlowTest, OneAloneGoesHoweverMuchItHad) {
  EXPECT_EQ(ChooseFlow(std::vector<FlowHead>{Head(1, 1, 9999)}), 0U);
  EXPECT_EQ(ChooseFlow({}), std::nullopt);
}

}  // namespace
}  // namespace resnetd
