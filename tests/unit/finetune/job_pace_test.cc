#include "server/finetune/job_pace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <variant>
#include <vector>

#include "server/telemetry/serving_metrics.h"
#include "tests/support/fake_clock.h"

namespace resnetd {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

// Two calls are always there, one more than the guard lets.
class JobPaceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    telemetry_->training().JobEntered({});
    gate_.EnterUrgent();
    gate_.EnterUrgent();
    pace_ = std::make_unique<JobPace>(
        ServingGuard{.max_queue = 1}, gate_, telemetry_->training(), clock_,
        [this](SteadyTime until) {
          ++rests_;
          clock_.Advance(until - clock_.Now());
          return rests_ < rests_until_a_wish_;
        },
        [this](const JobEventBody& event) {
          told_.push_back(std::get<Throttled>(event).duty);
          return answer_;
        });
  }
  absl::Status Step(Duration duration) {
    clock_.Advance(duration);
    return pace_->AwaitTurn();
  }

  const std::unique_ptr<Telemetry> telemetry_ = Telemetry::Create();
  FakeClock clock_;
  PriorityGate gate_;
  int rests_ = 0;
  int rests_until_a_wish_ = 1'000'000;
  absl::Status answer_;
  std::vector<double> told_;
  std::unique_ptr<JobPace> pace_;
};

TEST_F(JobPaceTest, TellsBeforeItRestsAndReturnsWhenTheStepIsPaidFor) {
  const SteadyTime before = clock_.Now();
  ASSERT_TRUE(Step(milliseconds(120)).ok());
  // At the least share in the end: 20 times as long as the step, rounded to
  // decisions.
  EXPECT_GE(clock_.Now() - before, milliseconds(2300));
  EXPECT_LE(clock_.Now() - before, milliseconds(2500));
  // Once, not for each of the further halvings within 10 s.
  EXPECT_THAT(told_, testing::ElementsAre(0.5));
  EXPECT_THAT(telemetry_->Expose(),
              HasSubstr("resnetd_finetune_duty_ratio{slot=\"0\"} 0.05"));
  EXPECT_THAT(
      telemetry_->Expose(),
      HasSubstr("resnetd_finetune_throttled_seconds_total{slot=\"0\"} 2."));
}

TEST_F(JobPaceTest, AWishEndsTheRest) {
  rests_until_a_wish_ = 2;
  ASSERT_TRUE(Step(milliseconds(120)).ok());
  EXPECT_EQ(rests_, 2);
}

TEST_F(JobPaceTest, AStoreThatFailsEndsIt) {
  answer_ = absl::UnavailableError("no disk");
  EXPECT_EQ(Step(milliseconds(120)).message(), "no disk");
  EXPECT_EQ(rests_, 0);
}

TEST_F(JobPaceTest, NeverRestsWhileNobodyCalls) {
  gate_.Abandon();
  gate_.Abandon();
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(Step(milliseconds(120)).ok());
  }
  EXPECT_EQ(rests_, 0);
  EXPECT_TRUE(told_.empty());
}

}  // namespace
}  // namespace resnetd
