#include "server/rpc/deadline.h"

#include <gtest/gtest.h>

#include <chrono>

namespace resnetd {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using WallTime = std::chrono::system_clock::time_point;

const WallTime kWallNow{std::chrono::hours(24 * 365 * 50)};
const SteadyTime kNow{seconds(1000)};

CallDeadline Decide(WallTime from_client) {
  return DecideDeadline(from_client, kWallNow, kNow, seconds(10), seconds(60));
}

TEST(DeadlineTest, IsTheDefaultWithoutOneOfTheClient) {
  const CallDeadline deadline = Decide(WallTime::max());
  EXPECT_EQ(deadline.at, kNow + seconds(10));
  EXPECT_TRUE(deadline.is_default);
}

TEST(DeadlineTest, IsTheClientsWithinTheMaximum) {
  for (const milliseconds left : {milliseconds(1), milliseconds(9999),
                                  milliseconds(59'999), milliseconds(60'000)}) {
    const CallDeadline deadline = Decide(kWallNow + left);
    EXPECT_EQ(deadline.at, kNow + left);
    EXPECT_FALSE(deadline.is_default);
  }
}

TEST(DeadlineTest, IsCappedAtTheMaximum) {
  for (const WallTime from_client :
       {kWallNow + milliseconds(60'001), kWallNow + std::chrono::hours(24),
        WallTime::max() - milliseconds(1)}) {
    EXPECT_EQ(Decide(from_client).at, kNow + seconds(60));
    EXPECT_FALSE(Decide(from_client).is_default);
  }
}

TEST(DeadlineTest, IsNowWhenItHasPassed) {
  for (const WallTime from_client :
       {kWallNow, kWallNow - seconds(1), WallTime(), WallTime::min()}) {
    EXPECT_EQ(Decide(from_client).at, kNow);
  }
}

TEST(DeadlineTest, ARequestOfAStreamHasItsTimeoutUpToTheMaximum) {
  const SteadyTime now = SteadyTime(std::chrono::hours(1));
  const Duration least = std::chrono::seconds(10);
  const Duration most = std::chrono::seconds(60);
  const CallDeadline none = DecideDeadline(std::nullopt, now, least, most);
  EXPECT_EQ(none.at, now + least);
  EXPECT_TRUE(none.is_default);
  for (const int timeout : {0, 59, 60}) {
    const CallDeadline deadline =
        DecideDeadline(std::chrono::seconds(timeout), now, least, most);
    EXPECT_EQ(deadline.at, now + std::chrono::seconds(timeout));
    EXPECT_FALSE(deadline.is_default);
  }
  EXPECT_EQ(DecideDeadline(std::chrono::seconds(61), now, least, most).at,
            now + most);
}

}  // namespace
}  // namespace resnetd
