#include "server/app/cpu.h"

#include <gtest/gtest.h>

#include <thread>

namespace resnetd {
namespace {

TEST(UsableCoresTest, IsAtLeastOneAndAtMostWhatTheMachineHas) {
  EXPECT_GE(UsableCores(), 1);
  EXPECT_LE(UsableCores(),
            static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace
}  // namespace resnetd
