#include "server/finetune/train_loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/base/error.h"
#include "tests/unit/finetune/train_loop_fixture.h"

namespace resnetd {
namespace {

TEST_F(TrainLoopTest, DoesEveryStepOnceEvaluatesAndSaves) {
  Host host(trainers_);
  const auto result = Run(host, RecipeOf(12));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->interrupted, Interruption::kNone);
  EXPECT_EQ(result->step, 12);
  EXPECT_EQ(host.turns, 12);
  EXPECT_THAT(host.steps,
              testing::ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11));
  EXPECT_THAT(host.evaluated, testing::ElementsAre(5, 10, 12));
  // Every third, the best evaluation, and the last.
  EXPECT_THAT(SavedSteps(host), testing::ElementsAre(3, 5, 6, 9, 12));
  EXPECT_EQ(result->best->step, 5);
  EXPECT_EQ(trainers_.calls(), 12);
}

TEST_F(TrainLoopTest, ARunThatWasPausedAnywhereEndsWithTheSameWeights) {
  Host straight(trainers_);
  ASSERT_TRUE(Run(straight, RecipeOf(12)).ok());
  const TensorList& wanted = straight.saved.back().trainer.weights;
  for (int pause = 0; pause < 12; ++pause) {
    Host host(trainers_);
    host.interrupt_at = pause;
    const auto first = Run(host, RecipeOf(12));
    ASSERT_TRUE(first.ok()) << first.status();
    EXPECT_EQ(first->interrupted, Interruption::kPause);
    EXPECT_EQ(first->step, pause);
    host.interrupt_at = -1;
    const auto second = Run(host, RecipeOf(12));
    ASSERT_TRUE(second.ok()) << second.status();
    EXPECT_EQ(second->step, 12);
    EXPECT_EQ(host.saved.back().trainer.weights.back().second.values,
              wanted.back().second.values)
        << "paused before step " << pause;
    EXPECT_EQ(second->best->step, 5) << pause;
  }
}

TEST_F(TrainLoopTest, AKilledRunRepeatsOnlyWhatCameAfterTheLastCheckpoint) {
  Host host(trainers_);
  trainers_.script.fail = [](int call) {
    return call == 8 ? absl::InternalError("the power went out")
                     : absl::OkStatus();
  };
  EXPECT_FALSE(Run(host, RecipeOf(12)).ok());
  EXPECT_EQ(host.saved.back().step, 6);
  host.steps.clear();
  ASSERT_TRUE(Run(host, RecipeOf(12)).ok());
  EXPECT_EQ(host.steps.front(), 6);
}

TEST_F(TrainLoopTest, ALossThatIsNotFiniteCostsHalfTheRateAndTheStepsSince) {
  Host host(trainers_);
  trainers_.script.loss = [](int call, double loss) {
    return call == 8 ? kNan : loss;
  };
  const auto result = Run(host, RecipeOf(12));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->setbacks, 1);
  EXPECT_EQ(result->step, 12);
  const auto recovered = host.EventsOf<Recovered>();
  ASSERT_EQ(recovered.size(), 1U);
  EXPECT_EQ(recovered[0].from_step, 8);
  EXPECT_EQ(recovered[0].to_step, 6);
  EXPECT_EQ(recovered[0].rate_factor, 0.5);
  EXPECT_THAT(host.steps, testing::ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 6, 7,
                                               8, 9, 10, 11));
  EXPECT_DOUBLE_EQ(host.EventsOf<StepMetrics>().back().learning_rate, 0.05);
}

TEST_F(TrainLoopTest, WithoutACheckpointItBeginsAgain) {
  Host host(trainers_);
  trainers_.script.loss = [](int call, double loss) {
    return call == 1 ? kNan : loss;
  };
  ASSERT_TRUE(Run(host, RecipeOf(4)).ok());
  EXPECT_THAT(host.steps, testing::ElementsAre(0, 1, 0, 1, 2, 3));
}

TEST_F(TrainLoopTest, GivesUpAfterThreeSetbacks) {
  Host host(trainers_);
  trainers_.script.loss = [](int, double) { return kNan; };
  const auto result = Run(host, RecipeOf(12));
  EXPECT_EQ(DetailsOf(result.status()).reason, "NONFINITE_LOSS");
  EXPECT_EQ(host.EventsOf<Recovered>().size(),
            static_cast<std::size_t>(kMostSetbacks));
  EXPECT_EQ(host.EventsOf<Recovered>().back().rate_factor, 0.125);
}

TEST_F(TrainLoopTest, CountsTheSetbacksOfEarlierRuns) {
  for (int before = 0; before <= kMostSetbacks; ++before) {
    Host host(trainers_);
    trainers_.script.loss = [first = trainers_.calls()](int call, double loss) {
      return call == first ? kNan : loss;
    };
    const auto result = Run(host, RecipeOf(4), before);
    EXPECT_EQ(result.ok(), before < kMostSetbacks) << before;
  }
}

TEST_F(TrainLoopTest, ALossThatRunsAwayIsASetbackToo) {
  Host host(trainers_);
  trainers_.script.loss = [](int call, double loss) {
    return call >= 10 && call < 40 ? 1000.0 : loss;
  };
  const auto result = Run(host, RecipeOf(40));
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_FALSE(host.EventsOf<Recovered>().empty());
  EXPECT_THAT(host.EventsOf<Recovered>()[0].text,
              testing::HasSubstr("ran away"));
}

TEST_F(TrainLoopTest, StopsEarlyWhenNothingGetsBetter) {
  Recipe recipe = RecipeOf(1000);
  recipe.early_stopping = {.patience = 2, .min_delta = 0, .min_steps = 0};
  Host host(trainers_);
  host.accuracies = {{5, 0.6}, {10, 0.7}};
  const auto result = Run(host, recipe);
  ASSERT_TRUE(result.ok());
  // 15 and 20 were not better than 10.
  EXPECT_EQ(result->step, 20);
  EXPECT_EQ(result->best->step, 10);
  EXPECT_THAT(SavedSteps(host), testing::Contains(10));
}

TEST_F(TrainLoopTest, DoesNotStopEarlyBeforeItMay) {
  Recipe recipe = RecipeOf(1000);
  for (const std::int64_t least : {19, 20, 21}) {
    recipe.early_stopping = {.patience = 3, .min_delta = 0, .min_steps = least};
    Host host(trainers_);
    EXPECT_EQ(Run(host, recipe)->step, least <= 20 ? 20 : 21) << least;
  }
}

TEST_F(TrainLoopTest, EndsAtItsDeadlineWithAnEvaluation) {
  Host host(trainers_);
  deadline_ = clock_.Now() + std::chrono::seconds(10);
  trainers_.script.fail = [this](int call) {
    if (call == 6) {
      clock_.Advance(std::chrono::seconds(11));
    }
    return absl::OkStatus();
  };
  const auto result = Run(host, RecipeOf(100));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->step, 7);
  EXPECT_EQ(result->interrupted, Interruption::kNone);
  EXPECT_EQ(host.evaluated.back(), 7);
  EXPECT_EQ(SavedSteps(host).back(), 7);
}

TEST_F(TrainLoopTest, ANewPhaseHasANewTrainerWithTheOldWeights) {
  Recipe recipe = RecipeOf(4);
  recipe.phases.push_back(recipe.phases[0]);
  Host straight(trainers_);
  ASSERT_TRUE(Run(straight, recipe).ok());
  EXPECT_THAT(straight.phases, testing::ElementsAre(0, 1));
  EXPECT_THAT(straight.begun,
              testing::ElementsAre(testing::Pair(0, 0), testing::Pair(1, 0)));
  EXPECT_EQ(straight.saved.back().step, 8);
  // And the same when it was paused where they meet.
  for (const int pause : {3, 4, 5}) {
    Host host(trainers_);
    host.interrupt_at = pause;
    ASSERT_TRUE(Run(host, recipe).ok());
    host.interrupt_at = -1;
    ASSERT_TRUE(Run(host, recipe).ok());
    EXPECT_EQ(host.saved.back().trainer.weights.back().second.values,
              straight.saved.back().trainer.weights.back().second.values)
        << pause;
  }
}

TEST_F(TrainLoopTest, ScalesRatesByGradientsInThePhasesThatSayIt) {
  Recipe recipe = RecipeOf(4);
  recipe.phases.push_back(recipe.phases[0]);
  recipe.phases[1].auto_rgn = true;
  recipe.evaluate_every = 2;
  // Ratios of 1, 1/2, 1/4, 1/2 and 1/10.
  trainers_.script.parts = {{1, 1}, {1, 2}, {2, 8}, {1, 2}, {1, 10}};
  Host host(trainers_);
  ASSERT_TRUE(Run(host, recipe).ok());
  const auto steps = host.EventsOf<StepMetrics>();
  ASSERT_EQ(steps.size(), 4U);
  EXPECT_DOUBLE_EQ(steps[1].learning_rate, 0.1);
  EXPECT_DOUBLE_EQ(steps[2].learning_rate, 0.01);
  const auto lines = host.EventsOf<LogLine>();
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0].text,
            "by their gradients the parts were trained with these shares of "
            "their rates, on average over 2 steps: stem 100 %, layer1 50 %, "
            "layer2 25 %, layer3 50 %, head 10 %");
  EXPECT_FALSE(lines[0].is_warning);
}

TEST_F(TrainLoopTest, EstimatesNormsBeforeEveryEvaluationWhereAskedFor) {
  Recipe recipe = RecipeOf(12);
  recipe.norms = NormPolicy::kReestimate;
  Host host(trainers_);
  ASSERT_TRUE(Run(host, recipe).ok());
  EXPECT_EQ(host.estimates, 3);
}

TEST_F(TrainLoopTest, TellsOfStepsTwiceASecondAtMost) {
  trainers_.script.fail = [this](int) {
    clock_.Advance(std::chrono::milliseconds(100));
    return absl::OkStatus();
  };
  Recipe recipe = RecipeOf(20);
  recipe.evaluate_every = 100;
  Host host(trainers_);
  ASSERT_TRUE(Run(host, recipe).ok());
  const auto steps = host.EventsOf<StepMetrics>();
  ASSERT_EQ(steps.size(), 4U);
  EXPECT_EQ(steps[0].step, 5);
  EXPECT_EQ(steps[0].steps, 5);
  EXPECT_DOUBLE_EQ(steps[0].examples_per_second, 20);
  EXPECT_EQ(steps[3].step, 20);
}

TEST_F(TrainLoopTest, TellsWhatEveryStepTookAndWhatBecameOfIt) {
  Host host(trainers_);
  host.fetch = [this] { clock_.Advance(std::chrono::milliseconds(20)); };
  trainers_.script.loss = [this](int call, double loss) {
    clock_.Advance(std::chrono::milliseconds(300));
    return call == 1 ? kNan : loss;
  };
  trainers_.script.phases = {.forward = std::chrono::milliseconds(100),
                             .backward = std::chrono::milliseconds(200)};
  ASSERT_TRUE(Run(host, RecipeOf(3)).ok());
  // The second one is not finite, so the training begins again.
  ASSERT_EQ(host.notes.size(), 5U);
  for (std::size_t i = 0; i < host.notes.size(); ++i) {
    EXPECT_EQ(host.notes[i].data, std::chrono::milliseconds(20)) << i;
    EXPECT_EQ(host.notes[i].compute, std::chrono::milliseconds(300)) << i;
    EXPECT_EQ(host.notes[i].phases, trainers_.script.phases) << i;
    EXPECT_EQ(host.notes[i].is_finite, i != 1) << i;
    EXPECT_FALSE(host.notes[i].is_clipped) << i;
  }
}

// The trainer of the script tells a norm of 1.
TEST_F(TrainLoopTest, TellsWhichGradientsWereClipped) {
  for (const auto& [limit, is_clipped] : std::vector<std::pair<double, bool>>{
           {0, false}, {0.9, true}, {1, false}, {1.1, false}}) {
    Host host(trainers_);
    Recipe recipe = RecipeOf(1);
    recipe.clip_norm = limit;
    ASSERT_TRUE(Run(host, recipe).ok());
    EXPECT_EQ(host.notes.at(0).is_clipped, is_clipped) << limit;
  }
}

}  // namespace
}  // namespace resnetd
