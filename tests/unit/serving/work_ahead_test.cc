#include "server/serving/work_ahead.h"

#include <gtest/gtest.h>

#include <chrono>

namespace resnetd {
namespace {

using std::chrono::milliseconds;

TEST(WorkAheadTest, CountsWhatGoesBefore) {
  WorkAhead ahead;
  EXPECT_EQ(ahead.Of(Priority::kBatch), Duration::zero());
  ahead.Change({}, {milliseconds(1), milliseconds(20), milliseconds(300)});
  EXPECT_EQ(ahead.Of(Priority::kCritical), milliseconds(300));
  EXPECT_EQ(ahead.Of(Priority::kNormal), milliseconds(320));
  EXPECT_EQ(ahead.Of(Priority::kBatch), milliseconds(321));
}

TEST(WorkAheadTest, AChangeTakesAwayWhatWasThereBefore) {
  WorkAhead ahead;
  ahead.Change({}, {milliseconds(5), milliseconds(5), milliseconds(5)});
  ahead.Change({milliseconds(5), milliseconds(5), milliseconds(5)},
               {milliseconds(0), milliseconds(7), milliseconds(0)});
  EXPECT_EQ(ahead.Of(Priority::kBatch), milliseconds(7));
  EXPECT_EQ(ahead.Of(Priority::kCritical), Duration::zero());
}

}  // namespace
}  // namespace resnetd
