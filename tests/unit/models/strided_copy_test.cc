#include "server/models/strided_copy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <numeric>

namespace resnetd {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Sizes = std::vector<std::int64_t>;

constexpr std::int64_t kLargest = std::numeric_limits<std::int64_t>::max();

// The bytes 0, 1, ..., 23.
const std::vector<std::uint8_t>& Storage() {
  static const std::vector<std::uint8_t> storage = [] {
    std::vector<std::uint8_t> bytes(24);
    std::iota(bytes.begin(), bytes.end(), std::uint8_t{0});
    return bytes;
  }();
  return storage;
}

// A view of that storage; `shape` and `strides` must outlive it.
StridedView View(const Sizes& shape, const Sizes& strides,
                 std::int64_t offset = 0, std::size_t element_bytes = 1) {
  return {.storage = Storage(),
          .element_bytes = element_bytes,
          .offset = offset,
          .shape = shape,
          .strides = strides};
}

bool Inside(const Sizes& shape, const Sizes& strides, std::int64_t offset = 0,
            std::size_t element_bytes = 1) {
  return LiesInside(View(shape, strides, offset, element_bytes));
}

std::vector<std::uint8_t> Copied(const Sizes& shape, const Sizes& strides,
                                 std::int64_t offset = 0,
                                 std::size_t element_bytes = 1) {
  EXPECT_TRUE(Inside(shape, strides, offset, element_bytes));
  return CopyContiguous(View(shape, strides, offset, element_bytes));
}

TEST(StridedCopyTest, KnowsTheLastElementOfTheStorage) {
  EXPECT_TRUE(Inside({24}, {1}));
  EXPECT_FALSE(Inside({25}, {1}));
  EXPECT_TRUE(Inside({23}, {1}, 1));
  EXPECT_FALSE(Inside({24}, {1}, 1));
  EXPECT_TRUE(Inside({4, 6}, {6, 1}));
  EXPECT_FALSE(Inside({4, 6}, {6, 1}, 1));
  EXPECT_TRUE(Inside({3}, {1}, 0, 8));
  EXPECT_FALSE(Inside({4}, {1}, 0, 8));
  EXPECT_TRUE(Inside({}, {}, 23));
  EXPECT_FALSE(Inside({}, {}, 24));
}

TEST(StridedCopyTest, FindsOverflowsOutside) {
  EXPECT_FALSE(Inside({kLargest}, {kLargest}));
  EXPECT_FALSE(Inside({2, 2}, {kLargest, 1}));
  EXPECT_FALSE(Inside({2}, {1}, kLargest));
  EXPECT_FALSE(Inside({kLargest}, {1}));
}

TEST(StridedCopyTest, LetsViewsWithoutElementsLieAnywhere) {
  EXPECT_TRUE(Inside({0}, {1}, kLargest));
  EXPECT_TRUE(Inside({kLargest, 0}, {kLargest, kLargest}));
  EXPECT_TRUE(IsContiguous(View({3, 0}, {7, 9})));
  EXPECT_THAT(Copied({3, 0}, {7, 9}), IsEmpty());
}

TEST(StridedCopyTest, KnowsWhatIsContiguous) {
  EXPECT_TRUE(IsContiguous(View({4, 6}, {6, 1})));
  EXPECT_TRUE(IsContiguous(View({}, {})));
  EXPECT_TRUE(IsContiguous(View({3}, {1}, 5)));
  EXPECT_FALSE(IsContiguous(View({6, 4}, {1, 6})));
  EXPECT_FALSE(IsContiguous(View({3}, {2})));
  EXPECT_FALSE(IsContiguous(View({3}, {0})));
  // The stride of one element means nothing.
  EXPECT_TRUE(IsContiguous(View({1, 3}, {99, 1})));
  EXPECT_TRUE(IsContiguous(View({2, 1, 3}, {3, 0, 1})));
}

TEST(StridedCopyTest, CopiesTransposedSlicedAndRepeatedViews) {
  EXPECT_THAT(Copied({3, 2}, {1, 3}), ElementsAre(0, 3, 1, 4, 2, 5));
  EXPECT_THAT(Copied({2, 2}, {6, 2}, 1), ElementsAre(1, 3, 7, 9));
  EXPECT_THAT(Copied({2, 3}, {0, 0}, 7), ElementsAre(7, 7, 7, 7, 7, 7));
  EXPECT_THAT(Copied({2, 2, 2}, {1, 12, 2}),
              ElementsAre(0, 2, 12, 14, 1, 3, 13, 15));
  EXPECT_THAT(Copied({}, {}, 9), ElementsAre(9));
}

TEST(StridedCopyTest, CopiesElementsOfEveryWidth) {
  EXPECT_THAT(Copied({2}, {2}, 1, 2), ElementsAre(2, 3, 6, 7));
  EXPECT_THAT(Copied({2}, {2}, 0, 4), ElementsAre(0, 1, 2, 3, 8, 9, 10, 11));
  EXPECT_THAT(Copied({2}, {0}, 2, 8),
              ElementsAre(16, 17, 18, 19, 20, 21, 22, 23, 16, 17, 18, 19, 20,
                          21, 22, 23));
}

TEST(StridedCopyTest, IgnoresHugeStridesOfSingleElements) {
  EXPECT_THAT(Copied({1, 2, 1}, {kLargest, 2, kLargest}), ElementsAre(0, 2));
}

}  // namespace
}  // namespace resnetd
