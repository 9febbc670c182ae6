#include "server/finetune/duty.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

namespace resnetd {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

std::vector<Duration> Answers(std::size_t count, Duration latency) {
  return std::vector<Duration>(count, latency);
}

// `count` answers of 10 ms and `slow` ones of 100 ms.
std::vector<Duration> Mixed(std::size_t count, std::size_t slow) {
  std::vector<Duration> answers = Answers(count, milliseconds(10));
  answers.insert(answers.end(), slow, milliseconds(100));
  return answers;
}

struct Case {
  std::string name;
  ServingGuard guard;
  double before = 1;
  ServingFigures figures;
  double after = 1;
  bool was_lowered = false;
};

class DecideDutyTest : public ::testing::TestWithParam<Case> {};

TEST_P(DecideDutyTest, GivesTheDuty) {
  const Case& given = GetParam();
  const DutyDecision decision =
      DecideDuty(given.guard, given.before, given.figures);
  EXPECT_DOUBLE_EQ(decision.duty, given.after);
  EXPECT_EQ(decision.was_lowered, given.was_lowered);
}

ServingFigures Busy(std::vector<Duration> alone, std::vector<Duration> all,
                    std::int64_t waiting = 1,
                    Duration elapsed = milliseconds(100)) {
  return {.elapsed = elapsed,
          .waiting = waiting,
          .is_busy = true,
          .alone = std::move(alone),
          .all = std::move(all)};
}

// Alone 10 ms: up to 12.5 ms is as fast as it has to be.
const std::vector<Duration>& Alone() {
  static const std::vector<Duration> alone = Answers(200, milliseconds(10));
  return alone;
}

INSTANTIATE_TEST_SUITE_P(
    Table, DecideDutyTest,
    ::testing::Values(
        Case{"all_of_the_time_while_serving_is_idle",
             {},
             0.05,
             {.elapsed = milliseconds(100), .alone = Alone()},
             1},
        Case{"idle_although_answers_were_slow_before",
             {},
             0.25,
             {.alone = Alone(), .all = Mixed(0, 100)},
             1},
        Case{"a_tenth_more_for_a_second", {}, 0.5, Busy(Alone(), {}), 0.51},
        Case{"no_more_than_all", {}, 0.995, Busy(Alone(), {}), 1},
        Case{"a_tenth_after_a_step_of_five_seconds",
             {},
             0.5,
             Busy(Alone(), {}, 1, seconds(5)),
             0.6},
        Case{"as_fast_as_alone", {}, 1, Busy(Alone(), Mixed(1000, 0)), 1},
        Case{"at_the_bound",
             {},
             1,
             Busy(Alone(), Answers(1000, std::chrono::microseconds(12'500))),
             1},
        Case{"above_the_bound",
             {},
             1,
             Busy(Alone(), Answers(1000, std::chrono::microseconds(12'501))),
             0.5,
             true},
        // What chance explains.
        Case{"one_percent_is_allowed", {}, 1, Busy(Alone(), Mixed(990, 10)), 1},
        Case{"20_of_1000_are_chance", {}, 1, Busy(Alone(), Mixed(980, 20)), 1},
        Case{"22_of_1000_are_not",
             {},
             1,
             Busy(Alone(), Mixed(978, 22)),
             0.5,
             true},
        Case{"two_of_twenty_are_chance", {}, 1, Busy(Alone(), Mixed(18, 2)), 1},
        Case{"four_of_twenty_are_not",
             {},
             1,
             Busy(Alone(), Mixed(16, 4)),
             0.5,
             true},
        Case{"a_single_answer_says_nothing",
             {},
             1,
             Busy(Alone(), Mixed(0, 1)),
             1},
        Case{"no_lower_than_the_least",
             {},
             0.06,
             Busy(Alone(), Mixed(0, 100)),
             kLeastDuty,
             true},
        // Without a baseline nobody knows what slow is.
        Case{"too_few_answers_alone",
             {},
             1,
             Busy(Answers(kLeastBaseline - 1, milliseconds(1)), Mixed(0, 100)),
             1},
        Case{"just_enough_answers_alone",
             {},
             1,
             Busy(Answers(kLeastBaseline, milliseconds(1)), Mixed(0, 100)),
             0.5,
             true},
        // A bound of the job's own.
        Case{"a_bound_needs_no_baseline",
             {.max_p99 = milliseconds(99)},
             1,
             Busy({}, Mixed(0, 100)),
             0.5,
             true},
        Case{"as_slow_as_the_bound",
             {.max_p99 = milliseconds(100)},
             1,
             Busy(Alone(), Mixed(0, 100)),
             1},
        Case{"as_many_as_may_wait",
             {.max_queue = 8},
             1,
             Busy(Alone(), {}, 8),
             1},
        Case{"one_more_than_may_wait",
             {.max_queue = 8},
             1,
             Busy(Alone(), {}, 9),
             0.5,
             true},
        Case{"any_number_may_wait", {}, 1, Busy(Alone(), {}, 1'000'000), 1}),
    [](const auto& tested) { return tested.param.name; });

TEST(P99Test, IsTheNearestRank) {
  EXPECT_EQ(P99({}), Duration::zero());
  EXPECT_EQ(P99({milliseconds(7)}), milliseconds(7));
  std::vector<Duration> latencies;
  for (int i = 100; i >= 1; --i) {
    latencies.emplace_back(milliseconds(i));
  }
  EXPECT_EQ(P99(latencies), milliseconds(99));
  latencies.emplace_back(milliseconds(101));
  EXPECT_EQ(P99(latencies), milliseconds(100));
}

TEST(IsNewsTest, IsAnotherDutyByHalfOrAllOfTheTime) {
  EXPECT_FALSE(IsNews(1, 1));
  EXPECT_FALSE(IsNews(0.7, 1));
  EXPECT_TRUE(IsNews(0.5, 1));
  EXPECT_FALSE(IsNews(0.5, 0.5));
  EXPECT_FALSE(IsNews(0.7, 0.5));
  EXPECT_TRUE(IsNews(0.75, 0.5));
  EXPECT_TRUE(IsNews(0.25, 0.5));
  EXPECT_FALSE(IsNews(0.99, 0.9));
  EXPECT_TRUE(IsNews(1, 0.9));
}

}  // namespace
}  // namespace resnetd
