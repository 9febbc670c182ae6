#include "server/finetune/comparison.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace resnetd {
namespace {

TEST(McNemarTest, HasThePublishedValues) {
  EXPECT_NEAR(McNemar(0, 5), 0.0625, 1e-15);
  EXPECT_NEAR(McNemar(1, 9), 0.021484375, 1e-15);
  EXPECT_NEAR(McNemar(9, 1), 0.021484375, 1e-15);
  EXPECT_EQ(McNemar(0, 0), 1);
  EXPECT_EQ(McNemar(7, 7), 1);
  EXPECT_NEAR(McNemar(7, 8), 1, 1e-14);
  EXPECT_NEAR(McNemar(0, 1), 1, 1e-14);
}

}  // namespace
}  // namespace resnetd
