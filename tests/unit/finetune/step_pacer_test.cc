#include "server/finetune/step_pacer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>

#include "tests/support/fake_clock.h"

namespace resnetd {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kCallInterval = milliseconds(5);

// Serving that is called every 5 ms, and is slower while training works.
class StepPacerTest : public ::testing::Test {
 protected:
  void Start(const ServingGuard& guard = {}) {
    pacer_ = std::make_unique<StepPacer>(guard, gate_, clock_);
  }

  void AwaitTurn() {
    while (!pacer_->MayStep()) {
      ++rests_;
      Pass(pacer_->rest_until() - clock_.Now(), alone_);
    }
  }

  // Time goes by; calls are answered in `latency`, if there are any.
  void Pass(Duration duration, Duration latency) {
    for (Duration passed{}; passed < duration; passed += kCallInterval) {
      clock_.Advance(std::min(kCallInterval, duration - passed));
      if (is_called_) {
        gate_.LeaveUrgent(gate_.EnterUrgent(), clock_.Now(), latency);
      }
    }
  }

  // Steps for so long; the share of the time in which training worked.
  double Train(Duration duration, Duration step) {
    const SteadyTime began = clock_.Now();
    Duration worked{};
    while (clock_.Now() - began < duration) {
      Pass(step, beside_);
      worked += step;
      AwaitTurn();
    }
    return ToSeconds(worked) / ToSeconds(clock_.Now() - began);
  }

  FakeClock clock_;
  PriorityGate gate_;
  bool is_called_ = true;
  Duration alone_ = milliseconds(2);
  Duration beside_ = milliseconds(2);
  int rests_ = 0;
  std::unique_ptr<StepPacer> pacer_;
};

TEST_F(StepPacerTest, NeverRestsWhileNobodyCalls) {
  is_called_ = false;
  Start();
  EXPECT_EQ(Train(seconds(60), milliseconds(40)), 1);
  EXPECT_EQ(rests_, 0);
  EXPECT_EQ(pacer_->duty(), 1);
  EXPECT_EQ(pacer_->TakeNews(), std::nullopt);
}

TEST_F(StepPacerTest, TrainsNearlyAllTheTimeBesideServingThatDoesNotFeelIt) {
  Start();
  EXPECT_GE(Train(seconds(300), milliseconds(40)), 0.95);
  EXPECT_EQ(pacer_->duty(), 1);
  ASSERT_TRUE(pacer_->slowdown().has_value());
  EXPECT_DOUBLE_EQ(*pacer_->slowdown(), 1);
}

TEST_F(StepPacerTest, LooksAtServingAloneAtMostATwentiethOfTheTime) {
  Start();
  Train(seconds(300), milliseconds(40));
  EXPECT_GT(pacer_->rested(), Duration::zero());
  EXPECT_LE(pacer_->rested(), seconds(300) / 20 + milliseconds(500));
}

TEST_F(StepPacerTest, GivesWayToServingThatIsSlowedDown) {
  Pass(seconds(10), alone_);
  beside_ = milliseconds(9);
  Start();
  const double share = Train(seconds(120), milliseconds(40));
  // Every answer beside a step is too slow, so only the least is left.
  EXPECT_LT(share, 0.2);
  EXPECT_GE(share, kLeastDuty / 2);
  EXPECT_LE(pacer_->duty(), 0.2);
  EXPECT_GT(*pacer_->slowdown(), 4);
}

TEST_F(StepPacerTest, FindsOutByItselfThatServingIsSlowedDown) {
  // No answer before the job began.
  beside_ = milliseconds(9);
  Start();
  Train(seconds(60), milliseconds(40));
  EXPECT_LE(pacer_->duty(), 0.2);
}

TEST_F(StepPacerTest, ComesBackWhenServingIsIdle) {
  Pass(seconds(10), alone_);
  beside_ = milliseconds(9);
  Start();
  Train(seconds(60), milliseconds(40));
  is_called_ = false;
  Train(seconds(3), milliseconds(40));
  EXPECT_EQ(pacer_->duty(), 1);
  EXPECT_EQ(Train(seconds(10), milliseconds(40)), 1);
}

TEST_F(StepPacerTest, RestsForALongStepInManyPiecesAndStopsWhenItMayGoOn) {
  Pass(seconds(10), alone_);
  beside_ = milliseconds(9);
  Start();
  Train(seconds(60), milliseconds(40));
  const double duty = pacer_->duty();
  // Ten seconds of work at such a duty are minutes of rest, but serving falls
  // idle.
  Pass(seconds(10), beside_);
  is_called_ = false;
  const SteadyTime before = clock_.Now();
  AwaitTurn();
  EXPECT_LT(duty, 0.2);
  EXPECT_LE(clock_.Now() - before, seconds(2));
}

TEST_F(StepPacerTest, AsksAgainAfterATenthOfASecondAtMost) {
  Pass(seconds(10), alone_);
  beside_ = milliseconds(9);
  Start();
  Train(seconds(60), milliseconds(40));
  Pass(seconds(10), beside_);
  ASSERT_FALSE(pacer_->MayStep());
  EXPECT_GT(pacer_->rest_until(), clock_.Now());
  EXPECT_LE(pacer_->rest_until(), clock_.Now() + milliseconds(100));
}

TEST_F(StepPacerTest, SavesUpRestsThatAreTooShortForACall) {
  Pass(seconds(10), alone_);
  beside_ = milliseconds(9);
  Start();
  Train(seconds(60), milliseconds(2));
  const SteadyTime before = clock_.Now();
  Pass(milliseconds(1), beside_);
  AwaitTurn();
  const Duration rest = clock_.Now() - before - milliseconds(1);
  EXPECT_TRUE(rest == Duration::zero() || rest >= milliseconds(20))
      << ToSeconds(rest);
}

TEST_F(StepPacerTest, HoldsABoundOfTheJobWithoutLooking) {
  beside_ = milliseconds(9);
  Start({.max_p99 = milliseconds(10)});
  EXPECT_EQ(Train(seconds(60), milliseconds(40)), 1);
  EXPECT_EQ(rests_, 0);
  beside_ = milliseconds(11);
  Train(seconds(60), milliseconds(40));
  EXPECT_LT(pacer_->duty(), 1);
}

TEST_F(StepPacerTest, TellsAChangeOnceAndNotMoreThanEveryTenSeconds) {
  Pass(seconds(10), alone_);
  beside_ = milliseconds(9);
  Start();
  Train(seconds(10), milliseconds(40));
  const std::optional<double> first = pacer_->TakeNews();
  ASSERT_TRUE(first.has_value());
  EXPECT_LT(*first, 1);
  EXPECT_EQ(pacer_->TakeNews(), std::nullopt);
  is_called_ = false;
  Train(seconds(5), milliseconds(40));
  EXPECT_EQ(pacer_->TakeNews(), std::nullopt);
  Train(seconds(6), milliseconds(40));
  EXPECT_EQ(pacer_->TakeNews(), 1);
}

TEST_F(StepPacerTest, TheGateKnowsWhenTrainingWorks) {
  Start();
  gate_.LeaveUrgent(gate_.EnterUrgent(), clock_.Now(), milliseconds(1));
  EXPECT_EQ(gate_.BesideSince({}).size(), 1U);
  pacer_.reset();
  gate_.LeaveUrgent(gate_.EnterUrgent(), clock_.Now(), milliseconds(1));
  EXPECT_EQ(gate_.AloneSince({}).size(), 1U);
}

}  // namespace
}  // namespace resnetd
