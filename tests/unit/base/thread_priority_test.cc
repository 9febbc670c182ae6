#include "server/base/thread_priority.h"

#include <gtest/gtest.h>
#include <sched.h>

#include "server/base/thread.h"

namespace resnetd {
namespace {

TEST(RunOnlyWhenIdleTest, HoldsForTheThreadAndForThoseThatItStarts) {
  int own = -1;
  int started = -1;
  Thread("background", [&] {
    ASSERT_TRUE(RunOnlyWhenIdle());
    own = sched_getscheduler(0);
    Thread("child", [&started] { started = sched_getscheduler(0); }).Join();
  }).Join();
  EXPECT_EQ(own, SCHED_IDLE);
  EXPECT_EQ(started, SCHED_IDLE);
  EXPECT_NE(sched_getscheduler(0), SCHED_IDLE);
}

}  // namespace
}  // namespace resnetd
