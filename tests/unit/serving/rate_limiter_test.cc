#include "server/serving/rate_limiter.h"

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "tests/support/fake_clock.h"

namespace resnetd {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class RateLimiterTest : public testing::Test {
 protected:
  bool Take(std::size_t images, const std::string& who = "a") {
    return limiter_.Take(who, images, clock_.Now()).ok();
  }

  FakeClock clock_;
  RateLimiter limiter_{{.images_per_second = 10, .burst = 20}};
};

TEST_F(RateLimiterTest, LetsInABurstAndNotOneMore) {
  EXPECT_TRUE(Take(19));
  EXPECT_TRUE(Take(1));
  EXPECT_FALSE(Take(1));
}

TEST_F(RateLimiterTest, FillsAtItsRateAndNotBeyondTheBurst) {
  EXPECT_TRUE(Take(20));
  clock_.Advance(milliseconds(99));
  EXPECT_FALSE(Take(1));
  clock_.Advance(milliseconds(1));
  EXPECT_TRUE(Take(1));
  EXPECT_FALSE(Take(1));
  clock_.Advance(seconds(3600));
  EXPECT_TRUE(Take(20));
  EXPECT_FALSE(Take(1));
}

TEST_F(RateLimiterTest, SaysWhichQuotaItIsAndWhenThereIsEnough) {
  EXPECT_TRUE(Take(20));
  const absl::Status refused = limiter_.Take("a", 4, clock_.Now());
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  const ErrorDetails details = DetailsOf(refused);
  EXPECT_EQ(details.reason, "OVERLOADED");
  const std::map<std::string, std::string> metadata(details.metadata.begin(),
                                                    details.metadata.end());
  EXPECT_EQ(metadata.at("quota"), "images-per-second-per-client");
  EXPECT_EQ(metadata.at("limit"), "10");
  ASSERT_TRUE(details.retry_after.has_value());
  EXPECT_GE(*details.retry_after, milliseconds(400));
  EXPECT_LT(*details.retry_after, milliseconds(401));
  clock_.Advance(*details.retry_after);
  EXPECT_TRUE(Take(4));
}

TEST_F(RateLimiterTest, OneCallerAtItsLimitDoesNotTouchAnother) {
  EXPECT_TRUE(Take(20, "a"));
  EXPECT_FALSE(Take(1, "a"));
  EXPECT_TRUE(Take(20, "b"));
}

TEST_F(RateLimiterTest, ARequestLargerThanABucketIsPaidOffAfterwards) {
  EXPECT_TRUE(Take(50));
  // Thirty below zero.
  clock_.Advance(milliseconds(3099));
  EXPECT_FALSE(Take(1));
  clock_.Advance(milliseconds(1));
  EXPECT_TRUE(Take(1));
  // Let in only when the bucket is full.
  EXPECT_FALSE(Take(50));
  clock_.Advance(seconds(2));
  EXPECT_TRUE(Take(50));
}

TEST_F(RateLimiterTest, GivesBackWhatWasRefusedForAnotherReason) {
  EXPECT_TRUE(Take(20));
  limiter_.GiveBack("a", 20);
  EXPECT_TRUE(Take(20));
  limiter_.GiveBack("a", 100);
  EXPECT_TRUE(Take(20));
  EXPECT_FALSE(Take(1));
  limiter_.GiveBack("nobody", 1);
}

TEST_F(RateLimiterTest, ARefusalTakesNothing) {
  EXPECT_TRUE(Take(15));
  for (int i = 0; i < 100; ++i) {
    EXPECT_FALSE(Take(6));
  }
  EXPECT_TRUE(Take(5));
}

TEST_F(RateLimiterTest, TheClockStandingStillOrTurnedBackGivesNothing) {
  EXPECT_TRUE(Take(20));
  clock_.Advance(-milliseconds(5000));
  EXPECT_FALSE(Take(1));
  clock_.Advance(milliseconds(5000));
  EXPECT_FALSE(Take(1));
}

TEST_F(RateLimiterTest, ForgetsCallersWhoseBucketsAreFull) {
  for (int i = 0; i < 100'000; ++i) {
    EXPECT_TRUE(Take(1, absl::StrCat("caller-", i)));
    clock_.Advance(milliseconds(1));
  }
  EXPECT_LE(limiter_.size(), 1024U);
}

TEST(RateLimiterOffTest, WithoutARateEverythingIsLetIn) {
  RateLimiter limiter({});
  for (int i = 0; i < 1000; ++i) {
    EXPECT_TRUE(limiter.Take("a", 256, SteadyTime{}).ok());
  }
  EXPECT_EQ(limiter.size(), 0U);
}

TEST(RateLimiterBurstTest, WithoutABurstItIsThatOfOneSecond) {
  RateLimiter limiter({.images_per_second = 5});
  EXPECT_TRUE(limiter.Take("a", 5, SteadyTime{}).ok());
  EXPECT_FALSE(limiter.Take("a", 1, SteadyTime{}).ok());
}

}  // namespace
}  // namespace resnetd
