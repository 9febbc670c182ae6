#include "server/rpc/look_schedule.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace resnetd {
namespace {

using std::chrono::milliseconds;

// What happens one after the other, and whether a look is due then.
struct Step {
  int at_ms = 0;
  std::int64_t unseen = 0;
  bool is_due = false;
  // Of the look, where one is due.
  bool is_last = true;
};

struct Case {
  std::string name;
  std::vector<Step> steps;
};

class LookScheduleTest : public testing::TestWithParam<Case> {};

// A look every 100 ms, or when 10 calls more are there.
TEST_P(LookScheduleTest, LooksWhenItIsTime) {
  LookSchedule schedule({.interval = milliseconds(100), .growth = 10});
  const SteadyTime start = SteadyTime{} + std::chrono::hours(1);
  for (const Step& step : GetParam().steps) {
    const bool is_due =
        schedule.IsDue(step.unseen, start + milliseconds(step.at_ms));
    EXPECT_EQ(is_due, step.is_due) << "at " << step.at_ms << " ms";
    if (is_due) {
      schedule.Looked(step.is_last);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, LookScheduleTest,
    testing::Values(
        Case{"EveryNowAndThen",
             {{.at_ms = 0, .is_due = true},
              {.at_ms = 99},
              {.at_ms = 100, .is_due = true},
              {.at_ms = 199},
              {.at_ms = 201, .is_due = true}}},
        Case{"WhatIsThereAtFirstIsNoGrowth",
             {{.at_ms = 0, .unseen = 5000, .is_due = true},
              {.at_ms = 1, .unseen = 5000}}},
        Case{"AtOnceWhenAsManyCallsAreNew",
             {{.at_ms = 0, .is_due = true},
              {.at_ms = 1, .unseen = 9},
              {.at_ms = 2, .unseen = 10, .is_due = true},
              {.at_ms = 3, .unseen = 10},
              {.at_ms = 4, .unseen = 19},
              {.at_ms = 5, .unseen = 21, .is_due = true},
              // Its hundred milliseconds begin with the last look.
              {.at_ms = 104, .unseen = 21},
              {.at_ms = 105, .unseen = 21, .is_due = true}}},
        Case{"GrowthIsFromTheLeastThatItWas",
             {{.at_ms = 0, .unseen = 100, .is_due = true},
              {.at_ms = 1, .unseen = 50},
              {.at_ms = 2, .unseen = 59},
              {.at_ms = 3, .unseen = 60, .is_due = true}}},
        Case{"ALookInBetweenDoesNotForgetSlowGrowth",
             {{.at_ms = 0, .is_due = true},
              {.at_ms = 100, .unseen = 9, .is_due = true},
              {.at_ms = 101, .unseen = 10, .is_due = true}}},
        Case{"ManyConnectionsAreLookedAtWithoutAPause",
             {{.at_ms = 0, .is_due = true},
              {.at_ms = 1, .unseen = 10, .is_due = true, .is_last = false},
              {.at_ms = 2, .unseen = 10, .is_due = true, .is_last = false},
              {.at_ms = 3, .unseen = 10, .is_due = true},
              {.at_ms = 4, .unseen = 10}}},
        Case{"ThoseThatWereSeenBeforeItGrewAreSeenAgain",
             {{.at_ms = 0, .is_due = true, .is_last = false},
              {.at_ms = 1, .unseen = 10, .is_due = true},
              {.at_ms = 2, .unseen = 10, .is_due = true, .is_last = false},
              {.at_ms = 3, .unseen = 10, .is_due = true},
              {.at_ms = 4, .unseen = 10}}}),
    [](const testing::TestParamInfo<Case>& one) { return one.param.name; });

}  // namespace
}  // namespace resnetd
