#include "server/base/priority_gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "server/base/thread.h"
#include "tests/support/fake_clock.h"

namespace resnetd {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

class PriorityGateTest : public ::testing::Test {
 protected:
  SteadyTime now() const { return clock_.Now(); }
  void Answer(const PriorityGate::Ticket& ticket, Duration latency) {
    gate_.LeaveUrgent(ticket, now(), latency);
  }

  FakeClock clock_;
  PriorityGate gate_;
};

TEST_F(PriorityGateTest, CountsWhatWaits) {
  EXPECT_EQ(gate_.waiting(), 0);
  const PriorityGate::Ticket first = gate_.EnterUrgent();
  gate_.EnterUrgent();
  EXPECT_EQ(gate_.waiting(), 2);
  Answer(first, milliseconds(1));
  EXPECT_EQ(gate_.waiting(), 1);
  gate_.Abandon();
  EXPECT_EQ(gate_.waiting(), 0);
}

TEST_F(PriorityGateTest, TellsAnswersAloneFromThoseBesideBackgroundWork) {
  Answer(gate_.EnterUrgent(), milliseconds(1));
  const PriorityGate::Ticket before = gate_.EnterUrgent();
  gate_.EnterBackground();
  Answer(before, milliseconds(2));
  const PriorityGate::Ticket within = gate_.EnterUrgent();
  Answer(gate_.EnterUrgent(), milliseconds(3));
  gate_.LeaveBackground();
  Answer(within, milliseconds(4));
  Answer(gate_.EnterUrgent(), milliseconds(5));
  EXPECT_THAT(gate_.AloneSince({}),
              UnorderedElementsAre(milliseconds(1), milliseconds(5)));
  EXPECT_THAT(
      gate_.BesideSince({}),
      UnorderedElementsAre(milliseconds(2), milliseconds(3), milliseconds(4)));
}

TEST_F(PriorityGateTest, AnAnswerWithAWholePieceOfBackgroundWorkIsBeside) {
  const PriorityGate::Ticket ticket = gate_.EnterUrgent();
  gate_.EnterBackground();
  gate_.LeaveBackground();
  Answer(ticket, milliseconds(1));
  EXPECT_THAT(gate_.AloneSince({}), IsEmpty());
  EXPECT_THAT(gate_.BesideSince({}), SizeIs(1));
}

TEST_F(PriorityGateTest, WhatWasAbandonedHasNoLatency) {
  gate_.EnterUrgent();
  gate_.Abandon();
  EXPECT_THAT(gate_.AloneSince({}), IsEmpty());
  EXPECT_THAT(gate_.BesideSince({}), IsEmpty());
}

TEST_F(PriorityGateTest, GivesThoseSinceATime) {
  Answer(gate_.EnterUrgent(), milliseconds(1));
  clock_.Advance(milliseconds(10));
  const SteadyTime since = now();
  Answer(gate_.EnterUrgent(), milliseconds(2));
  clock_.Advance(milliseconds(10));
  Answer(gate_.EnterUrgent(), milliseconds(3));
  EXPECT_THAT(gate_.AloneSince(since),
              UnorderedElementsAre(milliseconds(2), milliseconds(3)));
  EXPECT_THAT(gate_.AloneSince(since + milliseconds(11)), IsEmpty());
}

TEST_F(PriorityGateTest, KeepsTheNewest) {
  constexpr auto kKept = static_cast<int>(PriorityGate::kAnswersKept);
  for (int i = 1; i <= kKept + 1; ++i) {
    Answer(gate_.EnterUrgent(), microseconds(i));
  }
  const std::vector<Duration> kept = gate_.AloneSince({});
  ASSERT_THAT(kept, SizeIs(kKept));
  // The first has made room for the last.
  EXPECT_EQ(*std::min_element(kept.begin(), kept.end()), microseconds(2));
  EXPECT_EQ(*std::max_element(kept.begin(), kept.end()),
            microseconds(kKept + 1));
}

TEST_F(PriorityGateTest, KeepsMicrosecondsUpTo67Seconds) {
  Answer(gate_.EnterUrgent(), Duration::zero());
  EXPECT_THAT(gate_.AloneSince({}), ElementsAre(microseconds(1)));
  Answer(gate_.EnterUrgent(), seconds(67));
  Answer(gate_.EnterUrgent(), hours(1));
  EXPECT_THAT(gate_.AloneSince({}),
              UnorderedElementsAre(microseconds(1), seconds(67),
                                   microseconds((1 << 26) - 1)));
}

TEST_F(PriorityGateTest, LosesNoAnswerOfSeveralThreads) {
  constexpr int kEach = 500;
  std::vector<Thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back("urgent", [this] {
      for (int n = 0; n < kEach; ++n) {
        Answer(gate_.EnterUrgent(), milliseconds(1));
      }
    });
  }
  threads.emplace_back("background", [this] {
    for (int n = 0; n < kEach; ++n) {
      gate_.EnterBackground();
      gate_.BesideSince({});
      gate_.LeaveBackground();
    }
  });
  threads.clear();
  EXPECT_EQ(gate_.waiting(), 0);
  EXPECT_EQ(gate_.AloneSince({}).size() + gate_.BesideSince({}).size(),
            4 * kEach);
}

}  // namespace
}  // namespace resnetd
