#include "server/app/readiness.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace resnetd {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ReadinessTest : public testing::Test {
 protected:
  Readiness::Listener Teller() {
    return [this](bool ready) { told_.push_back(ready); };
  }

  Readiness readiness_;
  std::vector<bool> told_;
};

TEST_F(ReadinessTest, IsAsItWasSetLast) {
  EXPECT_FALSE(readiness_.is_ready());
  readiness_.Set(true, Teller());
  EXPECT_TRUE(readiness_.is_ready());
  readiness_.Set(false, Teller());
  EXPECT_FALSE(readiness_.is_ready());
  EXPECT_THAT(told_, ElementsAre(true, false));
}

// A replica may have everything for the first time in the delay of the drain.
TEST_F(ReadinessTest, ADrainIsNotTakenBack) {
  readiness_.Drain(Teller());
  EXPECT_THAT(told_, ElementsAre(false));
  told_.clear();
  readiness_.Set(true, Teller());
  EXPECT_FALSE(readiness_.is_ready());
  EXPECT_THAT(told_, IsEmpty());
  EXPECT_FALSE(readiness_.is_broken());
}

TEST_F(ReadinessTest, ABrokenDeviceIsNotTakenBack) {
  readiness_.Set(true, Teller());
  readiness_.Break(Teller());
  readiness_.Set(true, Teller());
  EXPECT_FALSE(readiness_.is_ready());
  EXPECT_TRUE(readiness_.is_broken());
  EXPECT_THAT(told_, ElementsAre(true, false));
}

TEST_F(ReadinessTest, ADeviceThatBreaksInADrainIsKnown) {
  readiness_.Set(true, Teller());
  readiness_.Drain(Teller());
  readiness_.Break(Teller());
  EXPECT_TRUE(readiness_.is_broken());
  EXPECT_FALSE(readiness_.is_ready());
  EXPECT_THAT(told_, ElementsAre(true, false));
}

}  // namespace
}  // namespace resnetd
