#include "server/serving/batch_policy.h"

#include <gtest/gtest.h>

#include <chrono>
#include <vector>

namespace resnetd {
namespace {

using std::chrono::milliseconds;

const SteadyTime kStart{std::chrono::hours(1)};

Urgency At(Priority priority, int deadline_ms, std::uint64_t sequence) {
  return {.priority = priority,
          .deadline = kStart + milliseconds(deadline_ms),
          .sequence = sequence};
}

struct BatchCase {
  std::size_t max_batch;
  std::size_t queued;
  std::size_t idle;
  std::size_t expected;
};

class DecideBatchTest : public testing::TestWithParam<BatchCase> {};

TEST_P(DecideBatchTest, TakesTheFairShareUpToTheCap) {
  const BatchCase& c = GetParam();
  EXPECT_EQ(DecideBatch(c.max_batch, c.queued, c.idle), c.expected);
}

INSTANTIATE_TEST_SUITE_P(
    Table, DecideBatchTest,
    testing::Values(BatchCase{4, 1, 1, 1}, BatchCase{4, 3, 1, 3},
                    BatchCase{4, 4, 1, 4}, BatchCase{4, 5, 1, 4},
                    BatchCase{4, 4, 2, 2}, BatchCase{4, 5, 2, 3},
                    BatchCase{4, 9, 2, 4}, BatchCase{4, 1, 3, 1},
                    BatchCase{1, 100, 1, 1}, BatchCase{128, 100, 8, 13}));

TEST(UrgencyTest, PriorityBeatsDeadlineBeatsArrival) {
  EXPECT_LT(At(Priority::kCritical, 900, 9), At(Priority::kNormal, 1, 1));
  EXPECT_LT(At(Priority::kNormal, 900, 9), At(Priority::kBatch, 1, 1));
  EXPECT_LT(At(Priority::kNormal, 1, 9), At(Priority::kNormal, 2, 1));
  EXPECT_LT(At(Priority::kNormal, 1, 1), At(Priority::kNormal, 1, 2));
  EXPECT_FALSE(At(Priority::kNormal, 1, 1) < At(Priority::kNormal, 1, 1));
}

TEST(WhyClosedTest, SaysWhatKeptABatchFromBeingLarger) {
  EXPECT_EQ(WhyClosed(4, 4, 4), BatchClose::kFull);
  EXPECT_EQ(WhyClosed(4, 9, 4), BatchClose::kFull);
  EXPECT_EQ(WhyClosed(4, 3, 3), BatchClose::kDrained);
  EXPECT_EQ(WhyClosed(4, 3, 2), BatchClose::kShared);
}

TEST(ChooseQueueTest, TakesTheQueueWithTheMostUrgentHead) {
  const std::vector<std::optional<Urgency>> heads = {
      At(Priority::kNormal, 5, 1), std::nullopt, At(Priority::kNormal, 3, 2),
      At(Priority::kBatch, 1, 3)};
  EXPECT_EQ(ChooseQueue(heads), 2U);
}

TEST(ChooseQueueTest, TakesNothingWhenAllAreEmpty) {
  EXPECT_EQ(ChooseQueue({}), std::nullopt);
  const std::vector<std::optional<Urgency>> heads = {std::nullopt};
  EXPECT_EQ(ChooseQueue(heads), std::nullopt);
}

}  // namespace
}  // namespace resnetd
