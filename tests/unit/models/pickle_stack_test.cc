#include "server/models/pickle_stack.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "server/base/error.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;

constexpr PickleStack::Limits kLimits = {
    .max_pushed = 5, .max_height = 3, .max_marks = 2};

std::string ReasonOf(const absl::Status& status) {
  return DetailsOf(status).reason;
}

TEST(PickleStackTest, GivesTheLastFirst) {
  PickleStack stack(kLimits);
  ASSERT_TRUE(stack.Push(7).ok());
  ASSERT_TRUE(stack.Push(8).ok());
  EXPECT_EQ(stack.Top(), 8U);
  EXPECT_EQ(*stack.Pop(), 8U);
  EXPECT_EQ(*stack.Pop(), 7U);
  EXPECT_EQ(stack.Top(), std::nullopt);
  EXPECT_EQ(ReasonOf(stack.Pop().status()), "WEIGHTS_CORRUPT");
}

TEST(PickleStackTest, HidesWhatLiesBelowAMark) {
  PickleStack stack(kLimits);
  ASSERT_TRUE(stack.Push(7).ok());
  ASSERT_TRUE(stack.PushMark().ok());
  EXPECT_FALSE(stack.empty());
  EXPECT_EQ(stack.Top(), std::nullopt);
  EXPECT_FALSE(stack.Pop().ok());
  EXPECT_FALSE(stack.Put(0).ok());
  ASSERT_TRUE(stack.Push(8).ok());
  ASSERT_TRUE(stack.Push(9).ok());
  EXPECT_THAT(*stack.PopToMark(), ElementsAre(8, 9));
  EXPECT_EQ(*stack.Pop(), 7U);
  EXPECT_TRUE(stack.empty());
  EXPECT_EQ(ReasonOf(stack.PopToMark().status()), "WEIGHTS_CORRUPT");
}

TEST(PickleStackTest, LimitsHeightMarksAndPushedValues) {
  PickleStack stack(kLimits);
  for (const PickleId id : {1U, 2U, 3U}) {
    ASSERT_TRUE(stack.Push(id).ok());
  }
  EXPECT_EQ(ReasonOf(stack.Push(4)), "LIMIT_EXCEEDED");
  ASSERT_TRUE(stack.Pop().ok());
  ASSERT_TRUE(stack.Push(4).ok());
  ASSERT_TRUE(stack.Pop().ok());
  ASSERT_TRUE(stack.Push(5).ok());
  ASSERT_TRUE(stack.Pop().ok());
  EXPECT_EQ(ReasonOf(stack.Push(6)), "LIMIT_EXCEEDED");
  ASSERT_TRUE(stack.PushMark().ok());
  ASSERT_TRUE(stack.PushMark().ok());
  EXPECT_EQ(ReasonOf(stack.PushMark()), "LIMIT_EXCEEDED");
}

TEST(PickleStackTest, RemembersValuesInOrder) {
  PickleStack stack(kLimits);
  ASSERT_TRUE(stack.Push(7).ok());
  EXPECT_FALSE(stack.Put(1).ok());
  EXPECT_FALSE(stack.Get(0).ok());
  ASSERT_TRUE(stack.Put(0).ok());
  ASSERT_TRUE(stack.Get(0).ok());
  EXPECT_EQ(stack.Top(), 7U);
  ASSERT_TRUE(stack.Put(1).ok());
  EXPECT_FALSE(stack.Get(2).ok());
  EXPECT_FALSE(stack.Get(~std::uint64_t{0}).ok());
  EXPECT_FALSE(stack.Put(~std::uint64_t{0}).ok());
}

}  // namespace
}  // namespace resnetd
