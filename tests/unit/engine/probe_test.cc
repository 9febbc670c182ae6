#include "server/engine/probe.h"

#include "gtest/gtest.h"

namespace resnetd {
namespace {

TEST(ProbeTest, FindsNothingWrongWithTheKernelsOfThisMachine) {
  EXPECT_EQ(ProbeKernels(), "");
}

}  // namespace
}  // namespace resnetd
