#include "server/finetune/gradient_monitor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <functional>
#include <limits>
#include <map>
#include <random>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"

namespace resnetd {
namespace {

constexpr int kSteps = 2000;
constexpr int kProbeEvery = 10;
constexpr int kEvaluateEvery = 100;
constexpr AlarmFacts kFacts = {
    .classes = 10, .total_steps = kSteps, .majority_share = 0.15};

int Runs() { return std::getenv("RESNETD_TEST_LONG") != nullptr ? 500 : 40; }

// The numbers of a training that goes well, or of one with a fault.
struct Series {
  std::function<void(std::int64_t, StepFacts&)> spoil_step = [](std::int64_t,
                                                                StepFacts&) {};
  std::function<void(std::int64_t, GradientSample&)> spoil_sample =
      [](std::int64_t, GradientSample&) {};
  std::function<void(std::int64_t, EvaluationFacts&)> spoil_evaluation =
      [](std::int64_t, EvaluationFacts&) {};
};

class Training {
 public:
  explicit Training(std::uint64_t seed) : random_(seed) {
    depth_ = std::exp(std::uniform_real_distribution<double>(
        std::log(0.46), std::log(146.0))(random_));
    rate_ = std::exp(std::uniform_real_distribution<double>(
        std::log(1e-4), std::log(1e-2))(random_));
    blocks_ = std::uniform_int_distribution<int>(2, 50)(random_);
  }

  StepFacts Step(std::int64_t step) {
    const double done = static_cast<double>(step) / kSteps;
    const double loss = 2.3 * std::exp(-6 * done) + 0.001;
    return {.step = step,
            .phase = 0,
            .loss = loss * Around(0.3),
            .gradient_norm = std::sqrt(loss) * Around(0.7),
            .is_finite = true,
            .correct = static_cast<int>(64 * (1 - 0.9 * std::exp(-6 * done))),
            .examples = 64};
  }
  GradientSample Sample(std::int64_t step) {
    GradientSample sample;
    sample.step = step;
    sample.examples = 64;
    sample.all = {.gradient = Around(0.5),
                  .weights = 10,
                  .update = 10 * rate_ * Around(0.3)};
    sample.noise = GradientNoise{.signal = 1 + 0.3 * normal_(random_),
                                 .noise = 100 * Around(0.2)};
    for (int i = 0; i < blocks_; ++i) {
      BlockSample& block = sample.blocks.emplace_back();
      const double place =
          static_cast<double>(i) / static_cast<double>(blocks_ - 1);
      const double norm = std::pow(depth_, 1 - place) * Around(0.1);
      const double main = norm * 0.4 * Around(0.3);
      block.paths = PathNorms{norm, main, norm, norm, 0};
      block.parameters = ParameterNorms{.gradient = norm,
                                        .weights = 10,
                                        .update = 10 * rate_ * Around(0.5),
                                        .zero_share = 0};
    }
    return sample;
  }
  EvaluationFacts Evaluation(std::int64_t step) {
    const double done = static_cast<double>(step) / kSteps;
    const double accuracy = 0.98 - 0.5 * std::exp(-8 * done);
    return {.step = step,
            .examples = 500,
            .loss = 2 * std::exp(-5 * done) + 0.01,
            .accuracy = accuracy,
            .old_class_accuracy = 0.97 + 0.002 * normal_(random_)};
  }

 private:
  // Log-normal.
  double Around(double spread) { return std::exp(spread * normal_(random_)); }

  std::mt19937_64 random_;
  std::normal_distribution<double> normal_;
  double depth_ = 1;
  double rate_ = 1e-3;
  int blocks_ = 3;
};

// What a monitor said, in order.
struct Told {
  std::vector<AlarmEvent> events;
  std::vector<AlarmRaised> actions;

  void Take(Judgement judgement) {
    events.insert(events.end(), judgement.events.begin(),
                  judgement.events.end());
    if (judgement.action) {
      actions.push_back(*judgement.action);
    }
  }
  std::set<AlarmKind> kinds() const {
    std::set<AlarmKind> kinds;
    for (const AlarmEvent& event : events) {
      std::visit([&kinds](const auto& one) { kinds.insert(one.kind); }, event);
    }
    return kinds;
  }
  std::string text() const {
    std::string text;
    for (const AlarmEvent& event : events) {
      std::visit(
          [&text](const auto& one) {
            absl::StrAppend(&text, AlarmName(one.kind), "@", one.step, " ");
          },
          event);
    }
    return text;
  }
};

void Feed(std::int64_t step, Training& training, const Series& series,
          GradientMonitor& monitor, Told& told) {
  StepFacts facts = training.Step(step);
  series.spoil_step(step, facts);
  told.Take(monitor.AddStep(facts));
  if (step % kProbeEvery == 1) {
    GradientSample sample = training.Sample(step);
    series.spoil_sample(step, sample);
    told.Take(monitor.AddSample(sample, 1));
  }
  if (step % kEvaluateEvery == 0) {
    EvaluationFacts evaluation = training.Evaluation(step);
    series.spoil_evaluation(step, evaluation);
    told.Take(monitor.AddEvaluation(evaluation));
  }
}

std::vector<std::string> Names() {
  std::vector<std::string> names;
  for (int i = 0; i < 50; ++i) {
    names.push_back(absl::StrCat("layer1.", i));
  }
  return names;
}

Told Train(std::uint64_t seed, const Series& series = {}) {
  GradientMonitor monitor(kFacts, {}, Names());
  Training training(seed);
  Told told;
  for (std::int64_t step = 1; step <= kSteps; ++step) {
    Feed(step, training, series, monitor, told);
  }
  return told;
}

TEST(GradientMonitorTest, AHealthyTrainingRaisesNothing) {
  for (int seed = 0; seed < Runs(); ++seed) {
    EXPECT_EQ(Train(seed).text(), "") << "seed " << seed;
  }
}

struct Fault {
  AlarmKind kind;
  // Steps from the fault until the alarm, at most.
  std::int64_t window;
  Series series;
};

constexpr std::int64_t kFaultAt = 1000;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

void SetDepth(double ratio, GradientSample& sample) {
  for (std::size_t i = 0; i < sample.blocks.size(); ++i) {
    const double place =
        static_cast<double>(i) / static_cast<double>(sample.blocks.size() - 1);
    PathNorms& paths = *sample.blocks[i].paths;
    paths.input = std::pow(ratio, 1 - place);
  }
}

std::vector<Fault> Faults() {
  std::vector<Fault> faults;
  const auto from = [](std::int64_t step) { return step >= kFaultAt; };
  const auto step = [&](AlarmKind kind, std::int64_t window, auto spoil) {
    Fault& fault = faults.emplace_back(Fault{kind, window, {}});
    fault.series.spoil_step = [=](std::int64_t at, StepFacts& facts) {
      if (from(at)) {
        spoil(facts);
      }
    };
  };
  const auto sample = [&](AlarmKind kind, std::int64_t window, auto spoil) {
    Fault& fault = faults.emplace_back(Fault{kind, window, {}});
    fault.series.spoil_sample = [=](std::int64_t at, GradientSample& one) {
      if (from(at)) {
        spoil(one);
      }
    };
  };
  const auto evaluation = [&](AlarmKind kind, std::int64_t window, auto spoil) {
    Fault& fault = faults.emplace_back(Fault{kind, window, {}});
    fault.series.spoil_evaluation = [=](std::int64_t at,
                                        EvaluationFacts& facts) {
      if (from(at)) {
        spoil(at, facts);
      }
    };
  };
  step(AlarmKind::kNonfinite, 0,
       [](StepFacts& facts) { facts.is_finite = false; });
  step(AlarmKind::kLossDiverged, 20,
       [](StepFacts& facts) { facts.loss = 100; });
  step(AlarmKind::kLossDiverged, 60, [](StepFacts& facts) { facts.loss = 4; });
  step(AlarmKind::kExploding, 3,
       [](StepFacts& facts) { facts.gradient_norm *= 1e3; });
  sample(AlarmKind::kExploding, 40,
         [](GradientSample& one) { SetDepth(3e3, one); });
  sample(AlarmKind::kExploding, 20, [](GradientSample& one) {
    one.blocks[1].parameters->update = kInfinity;
  });
  sample(AlarmKind::kVanishing, 120,
         [](GradientSample& one) { SetDepth(1e-5, one); });
  sample(AlarmKind::kFrozenUpdates, 120,
         [](GradientSample& one) { one.blocks[0].parameters->update = 1e-9; });
  sample(AlarmKind::kLrSuspect, 120,
         [](GradientSample& one) { one.all.update = 1e-6; });
  sample(AlarmKind::kLrSuspect, 120,
         [](GradientSample& one) { one.all.update = 5; });
  sample(AlarmKind::kDeadBlock, 220, [](GradientSample& one) {
    one.blocks[1].paths->main = 0;
    one.blocks[1].main_weights = 0;
  });
  evaluation(
      AlarmKind::kNotLearning, 0,
      [](std::int64_t, EvaluationFacts& facts) { facts.accuracy = 0.1; });
  evaluation(AlarmKind::kForgetting, 0,
             [](std::int64_t, EvaluationFacts& facts) {
               facts.old_class_accuracy = 0.8;
             });
  evaluation(AlarmKind::kOverfit, 400,
             [](std::int64_t at, EvaluationFacts& facts) {
               facts.accuracy = 0.5;
               facts.loss = static_cast<double>(at) / 100;
             });
  Fault& noise = faults.emplace_back(Fault{AlarmKind::kSnrCollapse, 600, {}});
  noise.series.spoil_step = [](std::int64_t at, StepFacts& facts) {
    // A loss that stays.
    facts.loss = at < 20 ? facts.loss : 2;
  };
  noise.series.spoil_sample = [=](std::int64_t at, GradientSample& one) {
    if (from(at)) {
      one.noise->signal = -1;
    }
  };
  return faults;
}

TEST(GradientMonitorTest, EveryFaultRaisesItsAlarmAlone) {
  std::set<AlarmKind> seen;
  for (const Fault& fault : Faults()) {
    seen.insert(fault.kind);
    for (std::uint64_t seed = 100; seed < 110; ++seed) {
      const Told told = Train(seed, fault.series);
      const std::string what = absl::StrCat(AlarmName(fault.kind), ", seed ",
                                            seed, ": ", told.text());
      ASSERT_FALSE(told.events.empty()) << what;
      EXPECT_THAT(told.kinds(), testing::ElementsAre(fault.kind)) << what;
      const auto* raised = std::get_if<AlarmRaised>(&told.events[0]);
      ASSERT_NE(raised, nullptr) << what;
      EXPECT_GE(raised->step, kFaultAt) << what;
      EXPECT_LE(raised->step, kFaultAt + fault.window) << what;
      EXPECT_FALSE(raised->text.empty());
      EXPECT_EQ(raised->action, DefaultAction(fault.kind));
    }
  }
  EXPECT_EQ(seen.size(), AllAlarmKinds().size()) << "a kind without a fault";
}

TEST(GradientMonitorTest, RaisesAndClearsAlternate) {
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    std::mt19937_64 random(seed);
    GradientMonitor monitor(kFacts, {}, Names());
    Training training(seed);
    Told told;
    // Faults of all kinds come and go.
    const std::vector<Fault> faults = Faults();
    const Fault* fault = nullptr;
    for (std::int64_t step = 1; step <= kSteps; ++step) {
      if (step % 60 == 0) {
        const std::size_t next = random() % (2 * faults.size());
        fault = next < faults.size() ? &faults[next] : nullptr;
      }
      Series series;
      if (fault != nullptr) {
        // As if it were late enough for the fault.
        series.spoil_step = [fault](std::int64_t, StepFacts& facts) {
          fault->series.spoil_step(kFaultAt, facts);
        };
        series.spoil_sample = [fault](std::int64_t, GradientSample& one) {
          fault->series.spoil_sample(kFaultAt, one);
        };
        series.spoil_evaluation = [fault](std::int64_t at,
                                          EvaluationFacts& facts) {
          fault->series.spoil_evaluation(kFaultAt + at, facts);
        };
      }
      Feed(step, training, series, monitor, told);
    }
    std::map<AlarmKind, std::int64_t> raised;
    for (const AlarmEvent& event : told.events) {
      if (const auto* one = std::get_if<AlarmRaised>(&event)) {
        EXPECT_TRUE(raised.emplace(one->kind, one->step).second)
            << AlarmName(one->kind) << " was raised twice";
      } else {
        const auto& cleared = std::get<AlarmCleared>(event);
        ASSERT_TRUE(raised.contains(cleared.kind));
        EXPECT_EQ(raised.at(cleared.kind), cleared.raised_step);
        raised.erase(cleared.kind);
      }
    }
    EXPECT_EQ(raised.size(), monitor.state().active.size());
    EXPECT_FALSE(told.events.empty());
  }
}

// Feeds steps that are finite or not; returns the judgement of the last.
Judgement Steps(GradientMonitor& monitor, int count, bool is_finite) {
  Judgement judgement;
  for (int i = 0; i < count; ++i) {
    judgement = monitor.AddStep(
        {.step = 1, .loss = 1, .gradient_norm = 1, .is_finite = is_finite});
  }
  return judgement;
}

TEST(GradientMonitorTest, IsClearedAfterTenGoodSteps) {
  for (const int good : {9, 10, 11}) {
    GradientMonitor monitor(kFacts, {}, {});
    ASSERT_EQ(Steps(monitor, 1, false).events.size(), 1U);
    Steps(monitor, good, true);
    EXPECT_EQ(monitor.state().active.empty(), good >= 10) << good;
  }
  // Bad ones in between begin the count again.
  GradientMonitor monitor(kFacts, {}, {});
  Steps(monitor, 1, false);
  Steps(monitor, 9, true);
  EXPECT_TRUE(Steps(monitor, 1, false).events.empty());
  Steps(monitor, 9, true);
  EXPECT_FALSE(monitor.state().active.empty());
  const Judgement last = Steps(monitor, 1, true);
  ASSERT_EQ(last.events.size(), 1U);
  EXPECT_TRUE(std::holds_alternative<AlarmCleared>(last.events[0]));
}

TEST(GradientMonitorTest, TheActionIsTheOneThatIsSet) {
  for (const AlarmAction action : AllAlarmActions()) {
    GradientMonitor monitor(kFacts, {{AlarmKind::kNonfinite, action}}, {});
    const Judgement judgement = Steps(monitor, 1, false);
    EXPECT_EQ(judgement.action.has_value(), action != AlarmAction::kWarn);
    EXPECT_EQ(std::get<AlarmRaised>(judgement.events.at(0)).action, action);
    // Once, until it is cleared.
    EXPECT_FALSE(Steps(monitor, 1, false).action.has_value());
    Steps(monitor, 10, true);
    EXPECT_EQ(Steps(monitor, 1, false).action.has_value(),
              action != AlarmAction::kWarn);
  }
}

TEST(GradientMonitorTest, AfterARollbackItActsAgainAndTellsNothingTwice) {
  GradientMonitor monitor(kFacts, {}, {});
  const MonitorState saved = monitor.state();
  ASSERT_EQ(Steps(monitor, 1, false).events.size(), 1U);
  monitor.Restore(saved, monitor.state().active, 1);
  ASSERT_EQ(monitor.state().active.size(), 1U);
  const Judgement again = Steps(monitor, 1, false);
  EXPECT_TRUE(again.events.empty());
  ASSERT_TRUE(again.action.has_value());
  monitor.Restore(saved, monitor.state().active, 2);
  Steps(monitor, 9, true);
  EXPECT_EQ(monitor.state().active.size(), 1U);
  Steps(monitor, 1, true);
  EXPECT_TRUE(monitor.state().active.empty());
}

TEST(GradientMonitorTest, APauseIsNotRepeatedWhenItGoesOn) {
  const std::vector<AlarmSetting> settings = {
      {AlarmKind::kLossDiverged, AlarmAction::kPause}};
  GradientMonitor monitor(kFacts, settings, {});
  const auto add = [](GradientMonitor& to, double loss) {
    return to.AddStep({.step = 1, .loss = loss, .gradient_norm = 1});
  };
  std::optional<AlarmRaised> action;
  for (int i = 0; i < 40 && !action; ++i) {
    action = add(monitor, i < 10 ? 1 : 100).action;
  }
  ASSERT_TRUE(action.has_value());
  GradientMonitor resumed(kFacts, settings, {});
  resumed.Restore(monitor.state(), monitor.state().active, 0);
  EXPECT_FALSE(add(resumed, 100).action.has_value());
}

TEST(GradientMonitorTest, GoesOnFromAnyStepAsIfNothingHadHappened) {
  for (const Fault& fault : Faults()) {
    GradientMonitor straight(kFacts, {}, Names());
    GradientMonitor other(kFacts, {}, Names());
    Training training(3);
    Training same(3);
    Told told;
    Told told_by_other;
    for (std::int64_t step = 1; step <= kSteps; ++step) {
      Feed(step, training, fault.series, straight, told);
      if (step % 37 == 0) {
        GradientMonitor next(kFacts, {}, Names());
        next.Restore(other.state(), other.state().active, 0);
        EXPECT_EQ(next.state(), other.state());
        MonitorState state = next.state();
        other.Restore(state, state.active, 0);
      }
      Feed(step, same, fault.series, other, told_by_other);
    }
    EXPECT_EQ(straight.state(), other.state()) << AlarmName(fault.kind);
    EXPECT_EQ(told.text(), told_by_other.text());
  }
}

TEST(GradientMonitorTest, NamesTheBlock) {
  GradientMonitor monitor(kFacts, {}, {"layer1.00", "layer1.01"});
  GradientSample sample;
  sample.step = 1000;
  sample.blocks.resize(2);
  sample.blocks[1].parameters =
      ParameterNorms{.gradient = 1, .weights = 1, .update = 7};
  const Judgement judgement = monitor.AddSample(sample, 1);
  ASSERT_EQ(judgement.events.size(), 1U);
  const auto& raised = std::get<AlarmRaised>(judgement.events[0]);
  EXPECT_EQ(raised.block, "layer1.01");
  EXPECT_EQ(raised.value, 7);
  EXPECT_EQ(raised.bound, 1);
  EXPECT_THAT(raised.text, testing::StartsWith("layer1.01: "));
  EXPECT_EQ(raised.action, AlarmAction::kPause);
}

}  // namespace
}  // namespace resnetd
