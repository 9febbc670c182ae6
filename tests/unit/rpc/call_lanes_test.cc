#include "server/rpc/call_lanes.h"

#include <gtest/gtest.h>

#include <future>
#include <latch>
#include <vector>

#include "server/base/error.h"

namespace resnetd {
namespace {

TEST(CallLaneTest, RunsItsTasksInTheirOrder) {
  std::vector<int> ran;
  {
    CallLane lane("lane", 1, 8);
    for (int i = 0; i < 8; ++i) {
      ASSERT_TRUE(lane.Submit([&ran, i] { ran.push_back(i); }).ok());
    }
  }
  EXPECT_EQ(ran, (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7}));
}

TEST(CallLaneTest, TakesTasksUpToItsLimit) {
  std::latch begun(1);
  std::promise<void> release;
  CallLane lane("lane", 1, 2);
  ASSERT_TRUE(lane.Submit([&] {
                    begun.count_down();
                    release.get_future().wait();
                  })
                  .ok());
  begun.wait();
  EXPECT_TRUE(lane.Submit([] {}).ok());
  EXPECT_TRUE(lane.Submit([] {}).ok());
  const absl::Status status = lane.Submit([] { FAIL(); });
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  const ErrorDetails details = DetailsOf(status);
  EXPECT_EQ(details.reason, "OVERLOADED");
  EXPECT_TRUE(details.retry_after.has_value());
  release.set_value();
}

TEST(CallLanesTest, AnUploadThatIsPublishedHoldsUpNoChange) {
  std::promise<void> release;
  CallLanes lanes(4);
  ASSERT_TRUE(lanes.imports.Submit([&] { release.get_future().wait(); }).ok());
  std::promise<void> changed;
  ASSERT_TRUE(lanes.control.Submit([&] { changed.set_value(); }).ok());
  changed.get_future().wait();
  release.set_value();
}

}  // namespace
}  // namespace resnetd
