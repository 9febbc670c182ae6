#include "client/load/load_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "server/base/mutex.h"
#include "server/base/thread.h"

namespace resnetd::client {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::Pair;

// Answers at once with what is told for each call, in turns.
class ReadyCaller final : public Caller {
 public:
  explicit ReadyCaller(std::vector<CallOutcome> outcomes = {{}})
      : outcomes_(std::move(outcomes)) {}

  void Call(std::size_t number, Done done) override {
    ++calls_;
    done(outcomes_[number % outcomes_.size()]);
  }
  std::size_t calls() const { return calls_; }

 private:
  const std::vector<CallOutcome> outcomes_;
  std::size_t calls_ = 0;
};

// Answers from a thread of its own, all calls that are out when there are so
// many of them; at the end of a run fewer, once no more come.
class CrowdedCaller final : public Caller {
 public:
  explicit CrowdedCaller(std::size_t crowd)
      : crowd_(crowd), thread_("answers", [this] { Work(); }) {}
  ~CrowdedCaller() override {
    const MutexLock lock(mutex_);
    is_over_ = true;
    changed_.NotifyAll();
  }

  void Call(std::size_t /*number*/, Done done) override {
    const MutexLock lock(mutex_);
    waiting_.push_back(std::move(done));
    most_ = std::max(most_, waiting_.size());
    changed_.NotifyAll();
  }
  std::size_t most() const {
    const MutexLock lock(mutex_);
    return most_;
  }

 private:
  void Work() {
    std::vector<Done> ready;
    while (Take(ready)) {
      for (const Done& one : ready) {
        one({});
      }
      ready.clear();
    }
  }
  bool Take(std::vector<Done>& ready) {
    const MutexLock lock(mutex_);
    const SteadyTime patience = RealClock().Now() + milliseconds(100);
    while (!is_over_ && waiting_.size() < crowd_ &&
           RealClock().Now() < patience) {
      changed_.WaitUntil(mutex_, patience);
    }
    ready.swap(waiting_);
    return !is_over_;
  }

  const std::size_t crowd_;
  mutable Mutex mutex_;
  CondVar changed_;
  bool is_over_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<Done> waiting_ ABSL_GUARDED_BY(mutex_);
  std::size_t most_ ABSL_GUARDED_BY(mutex_) = 0;
  Thread thread_;
};

// Time passes only as it is asked for: each look is `step` later.
class SteppingClock final : public Clock {
 public:
  explicit SteppingClock(Duration step) : step_(step) {}
  SteadyTime Now() const override {
    const MutexLock lock(mutex_);
    now_ += step_;
    return now_;
  }
  WallTime WallNow() const override { return {}; }

 private:
  const Duration step_;
  mutable Mutex mutex_;
  mutable SteadyTime now_ ABSL_GUARDED_BY(mutex_){};
};

TEST(LoadRunTest, AnOpenLoopMakesEveryCallThatIsDue) {
  ReadyCaller caller;
  const auto figures =
      RunLoad({.phases = {{.rate = 1000, .length = milliseconds(50)},
                          {.rate = 2000, .length = milliseconds(50)}},
               .spacing = Spacing::kConstant},
              caller, RealClock());
  ASSERT_EQ(figures.size(), 2U);
  EXPECT_EQ(figures[0].calls, 49U);
  EXPECT_EQ(figures[1].calls, 99U);
  EXPECT_EQ(caller.calls(), 148U);
  EXPECT_EQ(figures[0].Count(CallEnd::kAnswered), 49U);
  EXPECT_EQ(figures[0].rate, 1000);
  EXPECT_EQ(figures[0].length, milliseconds(50));
  EXPECT_LE(figures[1].Throughput(), 99 / 0.05);
}

TEST(LoadRunTest, LatencyBeginsWhenACallIsDueAndNotWhenItIsSent) {
  // Looks at the clock cost 10 ms each, so calls that are due every
  // millisecond are sent ever later.
  const SteppingClock clock(milliseconds(10));
  ReadyCaller caller;
  const auto figures =
      RunLoad({.phases = {{.rate = 1000, .length = milliseconds(20)}},
               .spacing = Spacing::kConstant},
              caller, clock);
  const LatencyHistogram& latencies =
      figures[0].latencies.at(CallEnd::kAnswered);
  ASSERT_EQ(latencies.count(), 19U);
  // The last of 19 calls: at least two looks each, less the 19 ms after which
  // it was due.
  EXPECT_GE(latencies.most(), milliseconds(19 * 2 * 10 - 19));
}

TEST(LoadRunTest, WhatIsAnsweredBehindAPhaseIsNoThroughputOfIt) {
  // Calls that are due within 20 ms, sent one each 20 ms: two are in time.
  const SteppingClock clock(milliseconds(10));
  ReadyCaller caller;
  const auto figures =
      RunLoad({.phases = {{.rate = 1000, .length = milliseconds(20)}},
               .spacing = Spacing::kConstant},
              caller, clock);
  EXPECT_EQ(figures[0].Count(CallEnd::kAnswered), 19U);
  EXPECT_LE(figures[0].answered_within, 2U);
  EXPECT_EQ(figures[0].Throughput(),
            static_cast<double>(figures[0].answered_within) / 0.02);
}

TEST(LoadRunTest, AnOpenLoopSendsWhileOthersAreOut) {
  CrowdedCaller caller(7);
  const auto figures =
      RunLoad({.phases = {{.rate = 1000, .length = milliseconds(29)}},
               .spacing = Spacing::kConstant},
              caller, RealClock());
  // More than one closed loop's; how many more, the machine decides.
  EXPECT_GE(caller.most(), 7U);
  EXPECT_EQ(figures[0].Count(CallEnd::kAnswered), 28U);
}

TEST(LoadRunTest, AClosedLoopKeepsItsClientsBusy) {
  CrowdedCaller caller(3);
  const auto figures =
      RunLoad({.clients = 3, .length = milliseconds(50)}, caller, RealClock());
  ASSERT_EQ(figures.size(), 1U);
  EXPECT_EQ(caller.most(), 3U);
  EXPECT_GT(figures[0].Count(CallEnd::kAnswered), 10U);
  EXPECT_EQ(figures[0].rate, 0);
  EXPECT_EQ(figures[0].calls, figures[0].Count(CallEnd::kAnswered));
}

TEST(LoadRunTest, EndsAreCountedByKindAndError) {
  ReadyCaller caller({{},
                      {.end = CallEnd::kRefused, .error = "A"},
                      {.end = CallEnd::kLate, .error = "B"},
                      {.end = CallEnd::kFailed, .error = "C"},
                      {.end = CallEnd::kFailed, .error = "A"}});
  const auto figures =
      RunLoad({.phases = {{.rate = 1000, .length = milliseconds(11)}},
               .spacing = Spacing::kConstant},
              caller, RealClock());
  EXPECT_EQ(figures[0].calls, 10U);
  EXPECT_EQ(figures[0].Count(CallEnd::kAnswered), 2U);
  EXPECT_EQ(figures[0].Count(CallEnd::kRefused), 2U);
  EXPECT_EQ(figures[0].Count(CallEnd::kLate), 2U);
  EXPECT_EQ(figures[0].Count(CallEnd::kFailed), 4U);
  EXPECT_THAT(figures[0].errors,
              ElementsAre(Pair("A", 4U), Pair("B", 2U), Pair("C", 2U)));
}

TEST(LoadRunTest, EachPartHasFiguresOfItsOwn) {
  ReadyCaller caller({{}, {.end = CallEnd::kRefused, .error = "FULL"}, {}});
  const auto figures =
      RunLoad({.phases = {{.rate = 1000, .length = milliseconds(50)},
                          {.rate = 500, .length = milliseconds(20)}},
               .spacing = Spacing::kConstant,
               .parts = 3},
              caller, RealClock());
  ASSERT_EQ(figures[0].parts.size(), 3U);
  // 49 calls, of which the first part has one more than the others; the second
  // phase goes on with the next part.
  EXPECT_EQ(figures[0].parts[0].calls, 17U);
  EXPECT_EQ(figures[0].parts[1].calls, 16U);
  EXPECT_EQ(figures[1].parts[0].calls, 3U);
  EXPECT_EQ(figures[1].parts[1].calls, 3U);
  EXPECT_EQ(figures[0].parts[1].Count(CallEnd::kRefused), 16U);
  EXPECT_EQ(figures[0].parts[1].errors.at("FULL"), 16U);
  EXPECT_EQ(figures[0].parts[2].Count(CallEnd::kAnswered), 16U);
  EXPECT_TRUE(figures[0].parts[2].errors.empty());
  EXPECT_DOUBLE_EQ(figures[1].parts[2].rate, 500.0 / 3);
  EXPECT_EQ(figures[1].parts[2].length, milliseconds(20));
  EXPECT_EQ(figures[0].Count(CallEnd::kAnswered), 33U);
}

TEST(LoadRunTest, ALoadThatIsEndedEarlyCountsAsFarAsItCame) {
  // Looks at the clock cost 10 ms each.
  const SteppingClock clock(milliseconds(10));
  ReadyCaller caller;
  int asked = 0;
  const auto figures = RunLoad({.phases = {{.rate = 100, .length = seconds(1)},
                                           {.rate = 100, .length = seconds(1)}},
                                .spacing = Spacing::kConstant,
                                .is_over = [&asked] { return ++asked > 5; }},
                               caller, clock);
  ASSERT_EQ(figures.size(), 2U);
  EXPECT_EQ(asked, 6);
  EXPECT_GT(figures[0].calls, 0U);
  EXPECT_LT(figures[0].calls, 99U);
  EXPECT_EQ(figures[0].calls, figures[0].Count(CallEnd::kAnswered));
  EXPECT_GT(figures[0].length, milliseconds(50));
  EXPECT_LT(figures[0].length, seconds(1));
  EXPECT_EQ(figures[1].calls, 0U);
  EXPECT_EQ(figures[1].length, Duration::zero());
  EXPECT_EQ(figures[1].Throughput(), 0);
}

TEST(LoadRunTest, AClosedLoopCanBeEndedEarlyToo) {
  CrowdedCaller caller(2);
  int asked = 0;
  const auto figures = RunLoad({.clients = 2,
                                .length = std::chrono::hours(1),
                                .is_over = [&asked] { return ++asked > 2; }},
                               caller, RealClock());
  EXPECT_GT(figures[0].calls, 0U);
  EXPECT_EQ(figures[0].calls, figures[0].Count(CallEnd::kAnswered));
  EXPECT_LT(figures[0].length, std::chrono::minutes(1));
}

TEST(LoadRunTest, ProgressIsToldWhileItRuns) {
  const SteppingClock clock(milliseconds(100));
  ReadyCaller caller;
  std::vector<LoadProgress> told;
  RunLoad({.clients = 1, .length = seconds(10)}, caller, clock,
          [&told](const LoadProgress& progress) { told.push_back(progress); });
  ASSERT_GT(told.size(), 5U);
  EXPECT_EQ(told.front().whole, seconds(10));
  EXPECT_LT(told.front().elapsed, told.back().elapsed);
  EXPECT_LT(told.front().figures.calls, told.back().figures.calls);
}

}  // namespace
}  // namespace resnetd::client
