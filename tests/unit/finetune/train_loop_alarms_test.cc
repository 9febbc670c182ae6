// What a TrainLoop shows of its gradients, and what it does about alarms.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "server/base/error.h"
#include "tests/unit/finetune/train_loop_fixture.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class TrainLoopAlarmsTest : public TrainLoopTest {
 protected:
  TrainLoopAlarmsTest() {
    // What its default sample would be warned of.
    trainers_.script.sample = [](int) { return Calm(); };
  }
  static GradientSample Calm() {
    GradientSample sample;
    sample.all = {.gradient = 1, .weights = 1, .update = 1e-3};
    return sample;
  }
  // From that call on a step is twice as large as the weights.
  void ExplodeAt(int first) {
    trainers_.script.sample = [first](int call) {
      GradientSample sample = Calm();
      sample.blocks.resize(1);
      sample.blocks[0].parameters = sample.all;
      sample.blocks[0].parameters->update = call >= first ? 2 : 1e-3;
      return sample;
    };
  }
  void Set(AlarmKind kind, AlarmAction action) {
    options_.alarms.push_back({.kind = kind, .action = action});
  }
  // Not finite at that call alone.
  void BreakAt(int broken) {
    trainers_.script.loss = [broken](int call, double loss) {
      return call == broken ? kNan : loss;
    };
  }
};

TEST_F(TrainLoopAlarmsTest, SamplesAreTakenFromTheFirstStepOn) {
  for (const bool are_late : {false, true}) {
    trainers_.script.samples_are_late = are_late;
    options_.observation.probe_every = 4;
    Host host(trainers_);
    ASSERT_TRUE(Run(host, RecipeOf(14)).ok());
    EXPECT_THAT(host.kept, ElementsAre(1, 5, 9, 13)) << are_late;
  }
  options_.observation.probe_every = 0;
  Host none(trainers_);
  ASSERT_TRUE(Run(none, RecipeOf(14)).ok());
  EXPECT_TRUE(none.kept.empty());
  options_.observation.probe_every = 1;
  Host all(trainers_);
  ASSERT_TRUE(Run(all, RecipeOf(5)).ok());
  EXPECT_THAT(all.kept, ElementsAre(1, 2, 3, 4, 5));
}

TEST_F(TrainLoopAlarmsTest, NoSampleIsLostOrRepeatedByAPause) {
  options_.observation.probe_every = 1;
  for (const bool are_late : {false, true}) {
    trainers_.script.samples_are_late = are_late;
    for (int pause = 1; pause < 12; ++pause) {
      Host host(trainers_);
      host.interrupt_at = pause;
      ASSERT_TRUE(Run(host, RecipeOf(12)).ok());
      host.interrupt_at = -1;
      ASSERT_TRUE(Run(host, RecipeOf(12)).ok());
      EXPECT_THAT(host.kept, ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12))
          << pause << ", late " << are_late;
    }
  }
}

TEST_F(TrainLoopAlarmsTest, SamplesAreToldEveryTwoSeconds) {
  options_.observation.probe_every = 1;
  trainers_.script.fail = [this](int) {
    clock_.Advance(std::chrono::milliseconds(600));
    return absl::OkStatus();
  };
  Host host(trainers_);
  ASSERT_TRUE(Run(host, RecipeOf(12)).ok());
  EXPECT_EQ(host.kept.size(), 12U);
  std::vector<std::int64_t> told;
  for (const BlockGradients& event : host.EventsOf<BlockGradients>()) {
    told.push_back(event.sample.step);
  }
  // What is kept meanwhile is told by the newest.
  EXPECT_EQ(told.front(), 1);
  EXPECT_EQ(told.size(), 3U);
}

TEST_F(TrainLoopAlarmsTest, AStepThatIsNotFiniteIsToldAndRecovered) {
  Host host(trainers_);
  BreakAt(8);
  const auto result = Run(host, RecipeOf(30));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->step, 30);
  EXPECT_EQ(result->setbacks, 1);
  const auto raised = host.EventsOf<AlarmRaised>();
  ASSERT_EQ(raised.size(), 1U);
  EXPECT_EQ(raised[0].kind, AlarmKind::kNonfinite);
  EXPECT_EQ(raised[0].step, 9);
  EXPECT_EQ(raised[0].action, AlarmAction::kRollback);
  ASSERT_EQ(host.EventsOf<Recovered>().size(), 1U);
  // The alarm names the step that was not made.
  EXPECT_EQ(host.EventsOf<Recovered>()[0].from_step, 8);
  const auto cleared = host.EventsOf<AlarmCleared>();
  ASSERT_EQ(cleared.size(), 1U);
  EXPECT_EQ(cleared[0].raised_step, 9);
  EXPECT_EQ(cleared[0].step, 16);  // Ten good steps after step 6.
}

TEST_F(TrainLoopAlarmsTest, WeightsThatOverflowAreNeverKeptAndGoneBackFrom) {
  // In the step before a checkpoint, and in one before an evaluation alone.
  for (const int call : {8, 4}) {
    SCOPED_TRACE(call);
    Host host(trainers_);
    trainers_.script.overflow = [at = trainers_.calls() + call](int now) {
      return now == at;
    };
    const auto result = Run(host, RecipeOf(30));
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(result->step, 30);
    EXPECT_EQ(result->setbacks, 1);
    const auto raised = host.EventsOf<AlarmRaised>();
    ASSERT_EQ(raised.size(), 1U);
    EXPECT_EQ(raised[0].kind, AlarmKind::kNonfinite);
    // The step was made: it is its weights that are not finite.
    const auto recovered = host.EventsOf<Recovered>();
    ASSERT_EQ(recovered.size(), 1U);
    EXPECT_EQ(recovered[0].from_step, raised[0].step);
    for (const TrainingState& state : host.saved) {
      for (const auto& [name, tensor] : state.trainer.weights) {
        EXPECT_TRUE(std::all_of(tensor.values.begin(), tensor.values.end(),
                                [](float x) { return std::isfinite(x); }))
            << name << " at step " << state.step;
      }
    }
  }
}

TEST_F(TrainLoopAlarmsTest, APauseDoesNotKeepWeightsThatOverflowed) {
  options_.observation.probe_every = 2;
  ExplodeAt(trainers_.calls() + 10);
  trainers_.script.overflow = [at = trainers_.calls() + 10](int now) {
    return now == at;
  };
  Host host(trainers_);
  const auto paused = Run(host, RecipeOf(40));
  ASSERT_TRUE(paused.ok()) << paused.status();
  EXPECT_EQ(paused->interrupted, Interruption::kPause);
  EXPECT_EQ(paused->step, 11);
  EXPECT_LT(host.saved.back().step, 11);
  trainers_.script.overflow = {};
  trainers_.script.sample = [](int) { return Calm(); };
  options_.active = {{.kind = AlarmKind::kNonfinite, .step = 11},
                     {.kind = AlarmKind::kExploding, .step = 11}};
  const auto resumed = Run(host, RecipeOf(40));
  ASSERT_TRUE(resumed.ok()) << resumed.status();
  EXPECT_EQ(resumed->step, 40);
}

TEST_F(TrainLoopAlarmsTest, WhatIsRolledBackIsNotInTheSeriesTwice) {
  options_.observation.probe_every = 1;
  Host host(trainers_);
  BreakAt(8);
  ASSERT_TRUE(Run(host, RecipeOf(12)).ok());
  // 7 and 8 were either not kept before, or are forgotten by the host: each
  // time that it loads a checkpoint.
  std::vector<std::int64_t> after;
  for (const std::int64_t step : host.kept) {
    while (!after.empty() && after.back() >= step) {
      after.pop_back();
    }
    after.push_back(step);
  }
  EXPECT_THAT(after, ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12));
}

TEST_F(TrainLoopAlarmsTest, FailsWhereThatIsWanted) {
  Set(AlarmKind::kNonfinite, AlarmAction::kFail);
  Host host(trainers_);
  BreakAt(8);
  const absl::Status status = Run(host, RecipeOf(30)).status();
  EXPECT_EQ(DetailsOf(status).reason, "NONFINITE_LOSS");
  EXPECT_THAT(DetailsOf(status).metadata,
              testing::Contains(testing::Pair("alarm", "NONFINITE")));
  EXPECT_TRUE(host.EventsOf<Recovered>().empty());
  EXPECT_EQ(host.EventsOf<AlarmRaised>().size(), 1U);
}

TEST_F(TrainLoopAlarmsTest, PausesBehindACheckpointThatCanBeGoneOnFrom) {
  Set(AlarmKind::kNonfinite, AlarmAction::kPause);
  Host host(trainers_);
  BreakAt(8);
  const auto paused = Run(host, RecipeOf(30));
  ASSERT_TRUE(paused.ok()) << paused.status();
  EXPECT_EQ(paused->interrupted, Interruption::kPause);
  EXPECT_THAT(paused->reason, HasSubstr("NONFINITE"));
  EXPECT_EQ(paused->step, 6);
  EXPECT_EQ(host.saved.back().step, 6);
  options_.active = {{.kind = AlarmKind::kNonfinite, .step = 9}};
  const auto resumed = Run(host, RecipeOf(30), 1);
  ASSERT_TRUE(resumed.ok()) << resumed.status();
  EXPECT_EQ(resumed->interrupted, Interruption::kNone);
  EXPECT_EQ(resumed->step, 30);
  EXPECT_EQ(host.EventsOf<AlarmRaised>().size(), 1U);
  EXPECT_EQ(host.EventsOf<AlarmCleared>().size(), 1U);
}

TEST_F(TrainLoopAlarmsTest, AnExplosionPausesOnce) {
  options_.observation.probe_every = 2;
  for (const bool are_late : {false, true}) {
    trainers_.script.samples_are_late = are_late;
    ExplodeAt(trainers_.calls() + 10);
    Host host(trainers_);
    options_.active.clear();
    const auto paused = Run(host, RecipeOf(40));
    ASSERT_TRUE(paused.ok()) << paused.status();
    EXPECT_EQ(paused->interrupted, Interruption::kPause);
    EXPECT_THAT(paused->reason, HasSubstr("EXPLODING"));
    EXPECT_EQ(paused->step, are_late ? 12 : 11);
    EXPECT_EQ(host.saved.back().step, paused->step);
    // Somebody looks at it and lets it go on.
    options_.active = host.saved.back().manifest.monitor.active;
    ASSERT_EQ(options_.active.size(), 1U);
    const auto resumed = Run(host, RecipeOf(40));
    EXPECT_EQ(resumed->interrupted, Interruption::kNone);
    EXPECT_EQ(resumed->step, 40);
    EXPECT_EQ(host.EventsOf<AlarmRaised>().size(), 1U);
  }
}

TEST_F(TrainLoopAlarmsTest, AnExplosionIsRolledBackAtMostThreeTimes) {
  Set(AlarmKind::kExploding, AlarmAction::kRollback);
  options_.observation.probe_every = 2;
  ExplodeAt(10);
  Host host(trainers_);
  const absl::Status status = Run(host, RecipeOf(40)).status();
  EXPECT_EQ(DetailsOf(status).reason, "DIVERGED");
  EXPECT_EQ(host.EventsOf<Recovered>().size(),
            static_cast<std::size_t>(kMostSetbacks));
  // It is one alarm all the time.
  EXPECT_EQ(host.EventsOf<AlarmRaised>().size(), 1U);
}

TEST_F(TrainLoopAlarmsTest, EndsEarlyWithItsBestWeightsWhereThatIsWanted) {
  Set(AlarmKind::kExploding, AlarmAction::kStop);
  options_.observation.probe_every = 2;
  ExplodeAt(10);
  Host host(trainers_);
  const auto result = Run(host, RecipeOf(40));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->interrupted, Interruption::kNone);
  EXPECT_EQ(result->step, 11);
  EXPECT_EQ(host.evaluated.back(), 11);
  EXPECT_TRUE(result->best.has_value());
  bool told = false;
  for (const LogLine& line : host.EventsOf<LogLine>()) {
    told = told || line.text.find("EXPLODING") != std::string::npos;
  }
  EXPECT_TRUE(told);
}

TEST_F(TrainLoopAlarmsTest, AWarningChangesNothing) {
  Host calm(trainers_);
  ASSERT_TRUE(Run(calm, RecipeOf(30)).ok());
  Set(AlarmKind::kExploding, AlarmAction::kWarn);
  options_.observation.probe_every = 2;
  ExplodeAt(trainers_.calls() + 10);
  Host host(trainers_);
  const auto result = Run(host, RecipeOf(30));
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->step, 30);
  EXPECT_FALSE(host.EventsOf<AlarmRaised>().empty());
  EXPECT_EQ(host.saved.back().trainer.weights.back().second.values,
            calm.saved.back().trainer.weights.back().second.values);
}

TEST_F(TrainLoopAlarmsTest, TheMonitorGoesOnFromACheckpointBitForBit) {
  options_.observation.probe_every = 2;
  options_.alarms = {{AlarmKind::kExploding, AlarmAction::kWarn}};
  for (const bool are_late : {false, true}) {
    trainers_.script.samples_are_late = are_late;
    const auto script = [this](int first) {
      trainers_.script.sample = [first](int call) {
        GradientSample sample = Calm();
        const int step = call - first;
        sample.all.update = step >= 10 && step < 14 ? 2 : 1e-3;
        sample.noise = GradientNoise{.signal = 0.1 * step, .noise = 3};
        sample.blocks.resize(2);
        sample.blocks[0].parameters = sample.all;
        return sample;
      };
    };
    script(trainers_.calls());
    Host straight(trainers_);
    ASSERT_TRUE(Run(straight, RecipeOf(60)).ok());
    EXPECT_EQ(straight.EventsOf<AlarmCleared>().size(), 1U);
    for (int pause = 1; pause < 60; pause += 3) {
      script(trainers_.calls());
      Host host(trainers_);
      host.interrupt_at = pause;
      options_.active.clear();
      ASSERT_TRUE(Run(host, RecipeOf(60)).ok());
      host.interrupt_at = -1;
      options_.active = host.saved.back().manifest.monitor.active;
      ASSERT_TRUE(Run(host, RecipeOf(60)).ok());
      EXPECT_EQ(host.saved.back().manifest.monitor,
                straight.saved.back().manifest.monitor)
          << pause;
      EXPECT_EQ(host.EventsOf<AlarmRaised>(), straight.EventsOf<AlarmRaised>());
      EXPECT_EQ(host.EventsOf<AlarmCleared>(),
                straight.EventsOf<AlarmCleared>());
    }
    options_.active.clear();
  }
}

}  // namespace
}  // namespace resnetd
