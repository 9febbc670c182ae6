#include "server/models/batch_sizes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <vector>

namespace resnetd {
namespace {

using ::testing::ElementsAre;

TEST(BatchSizesTest, AreThePowersOfTwoUpToTheLargestBatchAndThatItself) {
  EXPECT_THAT(GraphBatchSizes(1), ElementsAre(1));
  EXPECT_THAT(GraphBatchSizes(2), ElementsAre(1, 2));
  EXPECT_THAT(GraphBatchSizes(3), ElementsAre(1, 2, 3));
  EXPECT_THAT(GraphBatchSizes(4), ElementsAre(1, 2, 4));
  EXPECT_THAT(GraphBatchSizes(31), ElementsAre(1, 2, 4, 8, 16, 31));
  EXPECT_THAT(GraphBatchSizes(32), ElementsAre(1, 2, 4, 8, 16, 32));
  EXPECT_THAT(GraphBatchSizes(33), ElementsAre(1, 2, 4, 8, 16, 32, 33));
}

TEST(BatchSizesTest, AreThoseThatAreAllowedUpToTheLargestBatch) {
  const std::vector<std::size_t> allowed = {1, 6, 24};
  EXPECT_THAT(GraphBatchSizes(24, allowed), ElementsAre(1, 6, 24));
  EXPECT_THAT(GraphBatchSizes(25, allowed), ElementsAre(1, 6, 24, 25));
  EXPECT_THAT(GraphBatchSizes(23, allowed), ElementsAre(1, 6, 23));
  EXPECT_THAT(GraphBatchSizes(6, allowed), ElementsAre(1, 6));
  EXPECT_THAT(GraphBatchSizes(1, allowed), ElementsAre(1));
  EXPECT_THAT(GraphBatchSizes(16, std::vector<std::size_t>{16}),
              ElementsAre(16));
}

TEST(BatchSizesTest, ABatchRunsAsTheNextLargerSize) {
  const std::vector<std::size_t> sizes = {1, 2, 4, 8, 12};
  const std::vector<std::size_t> expected = {1, 1, 2,  4,  4,  8,  8,
                                             8, 8, 12, 12, 12, 12, 13};
  for (std::size_t pictures = 0; pictures < expected.size(); ++pictures) {
    EXPECT_EQ(RowsOf(pictures, sizes), expected[pictures]) << pictures;
  }
  EXPECT_EQ(RowsOf(3, {}), 3U);
}

TEST(BatchSizesTest, AtMostHalfOfABatchIsPadding) {
  for (std::size_t max_batch = 1; max_batch <= 128; ++max_batch) {
    const std::vector<std::size_t> sizes = GraphBatchSizes(max_batch);
    for (std::size_t pictures = 1; pictures <= max_batch; ++pictures) {
      EXPECT_LT(RowsOf(pictures, sizes), 2 * pictures)
          << pictures << " of " << max_batch;
    }
  }
}

}  // namespace
}  // namespace resnetd
