#include "client/cli/batch_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace resnetd::cli {
namespace {

using ::testing::ElementsAre;

TEST(PlanBatchesTest, MakesNoneOfNothing) {
  EXPECT_TRUE(PlanBatches({}, {}).empty());
}

TEST(PlanBatchesTest, CountsImages) {
  const BatchLimits limits = {.max_images = 3, .max_bytes = 1000};
  EXPECT_THAT(PlanBatches(std::vector<std::size_t>(2, 1), limits),
              ElementsAre(Batch{0, 2}));
  EXPECT_THAT(PlanBatches(std::vector<std::size_t>(3, 1), limits),
              ElementsAre(Batch{0, 3}));
  EXPECT_THAT(PlanBatches(std::vector<std::size_t>(4, 1), limits),
              ElementsAre(Batch{0, 3}, Batch{3, 1}));
}

TEST(PlanBatchesTest, CountsBytes) {
  const BatchLimits limits = {.max_images = 32, .max_bytes = 100};
  EXPECT_THAT(PlanBatches({50, 49}, limits), ElementsAre(Batch{0, 2}));
  EXPECT_THAT(PlanBatches({50, 50}, limits), ElementsAre(Batch{0, 2}));
  EXPECT_THAT(PlanBatches({50, 51}, limits),
              ElementsAre(Batch{0, 1}, Batch{1, 1}));
}

TEST(PlanBatchesTest, SendsAnImageOverTheLimitAlone) {
  const BatchLimits limits = {.max_images = 32, .max_bytes = 100};
  EXPECT_THAT(PlanBatches({10, 101, 10, 10}, limits),
              ElementsAre(Batch{0, 1}, Batch{1, 1}, Batch{2, 2}));
}

TEST(PlanBatchesTest, CoversEveryImageOnceWithinTheLimits) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    const BatchLimits limits = {.max_images = 1 + random() % 8,
                                .max_bytes = 50 + random() % 100};
    std::vector<std::size_t> sizes(random() % 40);
    for (std::size_t& size : sizes) {
      size = random() % 60;
    }
    std::size_t next = 0;
    for (const Batch& batch : PlanBatches(sizes, limits)) {
      ASSERT_EQ(batch.first, next);
      ASSERT_GE(batch.count, 1U);
      ASSERT_LE(batch.count, limits.max_images);
      std::size_t bytes = 0;
      for (std::size_t i = 0; i < batch.count; ++i) {
        bytes += sizes[next++];
      }
      ASSERT_TRUE(bytes <= limits.max_bytes || batch.count == 1);
    }
    ASSERT_EQ(next, sizes.size());
  }
}

}  // namespace
}  // namespace resnetd::cli
