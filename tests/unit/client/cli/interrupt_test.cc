#include "client/cli/interrupt.h"

#include <gtest/gtest.h>

#include <csignal>

namespace resnetd::cli {
namespace {

TEST(InterruptTest, TellsOfTheFirstSignal) {
  for (const int signal : {SIGINT, SIGTERM}) {
    const Interrupt interrupt;
    EXPECT_FALSE(interrupt.has_come());
    ASSERT_EQ(std::raise(signal), 0);
    EXPECT_TRUE(interrupt.has_come());
  }
  const Interrupt anew;
  EXPECT_FALSE(anew.has_come());
}

TEST(InterruptDeathTest, TheSecondSignalEndsTheProgram) {
  const Interrupt interrupt;
  ASSERT_EQ(std::raise(SIGINT), 0);
  EXPECT_EXIT(std::raise(SIGINT), testing::KilledBySignal(SIGINT), "");
}

TEST(InterruptDeathTest, WithoutOneASignalDoesWhatItAlwaysDid) {
  { const Interrupt interrupt; }
  EXPECT_EXIT(std::raise(SIGINT), testing::KilledBySignal(SIGINT), "");
}

}  // namespace
}  // namespace resnetd::cli
