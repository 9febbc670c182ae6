#include "server/models/device_loads.h"

#include <cstddef>
#include <vector>

#include "gtest/gtest.h"

namespace resnetd {
namespace {

TEST(EndsFirstTest, IsByWhatIsInFlightAndWhatTheBatchTakes) {
  struct Case {
    std::vector<double> booked;
    std::vector<double> own;
    std::size_t device;
  };
  for (const Case& tested : {
           Case{{0}, {1}, 0},
           Case{{0, 0}, {1, 1}, 0},
           Case{{0.1, 0}, {1, 1}, 1},
           Case{{0, 0}, {2, 1}, 1},
           Case{{0.5, 1}, {2, 1}, 1},
           Case{{0.5, 2}, {2, 1}, 0},
           Case{{3, 2, 2}, {1, 1, 1}, 1},
       }) {
    EXPECT_EQ(EndsFirst(tested.booked, tested.own), tested.device)
        << testing::PrintToString(tested.booked)
        << testing::PrintToString(tested.own);
  }
}

TEST(DeviceLoadsTest, BatchesAreSpreadWhileTheyAreInFlight) {
  DeviceLoads loads(2);
  const std::vector<double> own = {1, 1};
  const auto first = loads.Enter(own);
  const auto second = loads.Enter(own);
  const auto third = loads.Enter(own);
  EXPECT_EQ(first.device, 0U);
  EXPECT_TRUE(first.is_alone);
  EXPECT_EQ(second.device, 1U);
  EXPECT_TRUE(second.is_alone);
  EXPECT_EQ(third.device, 0U);
  EXPECT_FALSE(third.is_alone);
  loads.Leave(second);
  EXPECT_EQ(loads.Enter(own).device, 1U);
}

TEST(DeviceLoadsTest, ADeviceOfHalfTheSpeedGetsAThirdOfTheBatches) {
  DeviceLoads loads(2);
  int slow = 0;
  for (int i = 0; i < 300; ++i) {
    slow += loads.Enter({{2.0, 1.0}}).device == 0 ? 1 : 0;
  }
  EXPECT_EQ(slow, 100);
}

TEST(DeviceLoadsTest, NothingIsLeftOfWhatHasLeft) {
  DeviceLoads loads(1);
  for (const double seconds : {0.1, 0.2, 0.3}) {
    const auto a = loads.Enter({{seconds}});
    const auto b = loads.Enter({{1e9}});
    loads.Leave(b);
    loads.Leave(a);
  }
  EXPECT_TRUE(loads.Enter({{1.0}}).is_alone);
}

}  // namespace
}  // namespace resnetd
