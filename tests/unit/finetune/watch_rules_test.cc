#include "server/finetune/watch_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace resnetd {
namespace {

using ::testing::HasSubstr;

VersionTally Tally(std::int64_t answers, double confidence,
                   std::int64_t failures = 0) {
  return {.answers = answers,
          .failures = failures,
          .confidence_sum = confidence * static_cast<double>(answers)};
}

struct Case {
  std::string name;
  VersionTally before;
  VersionTally now;
  bool roll_back = false;
};

class JudgeWatchTest : public ::testing::TestWithParam<Case> {};

TEST_P(JudgeWatchTest, GivesTheVerdict) {
  const WatchRules rules{.min_answers = 100,
                         .max_failure_rate = 0.01,
                         .max_confidence_drop = 0.25};
  const WatchVerdict verdict =
      JudgeWatch(rules, GetParam().before, GetParam().now);
  EXPECT_EQ(verdict.roll_back, GetParam().roll_back) << verdict.text;
  EXPECT_FALSE(verdict.text.empty());
}

INSTANTIATE_TEST_SUITE_P(
    Table, JudgeWatchTest,
    ::testing::Values(
        Case{"nothing_is_known", {}, {}},
        Case{"as_before", Tally(100, 0.8), Tally(100, 0.8)},
        Case{"more_confident", Tally(100, 0.5), Tally(100, 0.9)},
        Case{"as_low_as_it_may", Tally(100, 0.8), Tally(100, 0.6)},
        Case{"lower", Tally(100, 0.8), Tally(100, 0.59), true},
        Case{"too_few_answers", Tally(100, 0.8), Tally(99, 0.1)},
        Case{"too_few_answers_before", Tally(99, 0.8), Tally(100, 0.1)},
        Case{"one_failure_is_chance", {}, Tally(0, 0, 1)},
        Case{"two_failures_of_two", {}, Tally(0, 0, 2), true},
        Case{"as_many_failures_as_may_be", Tally(100, 0.8), Tally(198, 0.8, 2)},
        Case{"one_failure_more", Tally(100, 0.8), Tally(197, 0.8, 3), true},
        Case{"failures_need_no_version_before", {}, Tally(100, 0.8, 2), true}),
    [](const auto& tested) { return tested.param.name; });

TEST(JudgeWatchTest, SaysWhyWithFigures) {
  EXPECT_THAT(JudgeWatch({}, {}, Tally(1, 1, 3)).text,
              HasSubstr("3 of 4 batches failed, at most 1 % may"));
  EXPECT_THAT(JudgeWatch({}, Tally(100, 0.8), Tally(200, 0.25)).text,
              HasSubstr("the mean confidence of 200 answers is 0.25, at least "
                        "0.56 is needed: it was 0.8 before"));
  EXPECT_EQ(JudgeWatch({}, {}, Tally(7, 1)).text, "7 answers, 0 failures");
}

}  // namespace
}  // namespace resnetd
