#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "server/finetune/head.h"
#include "server/finetune/network_parts.h"
#include "server/finetune/train_loop.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_model.h"
#include "tests/support/scripted_trainer.h"

namespace resnetd {

inline constexpr int kClasses = 3;
inline constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

inline Network SmallNetwork() {
  return BuildNetwork(FindArchitecture("cifar_resnet8", kClasses).value());
}

inline Recipe RecipeOf(std::int64_t steps) {
  const std::size_t parts = PartNames(SmallNetwork()).size();
  Recipe recipe;
  recipe.phases = {{.steps = steps,
                    .trained_parts = std::vector<bool>(parts, true),
                    .rates = std::vector<double>(parts, 0.1)}};
  recipe.schedule = RateSchedule::kConstant;
  recipe.evaluate_every = 5;
  recipe.checkpoint_every = 3;
  recipe.early_stopping.patience = 0;
  return recipe;
}

// Keeps its checkpoints in memory, all of them.
class Host final : public LoopHost {
 public:
  explicit Host(ScriptedTrainers& trainers) : trainers_(trainers) {
    for (int i = 0; i < kClasses; ++i) {
      pictures_.push_back(FakePixels(static_cast<std::uint8_t>(20 * i)));
    }
  }

  Interruption AskInterruption() override {
    return asked_++ == interrupt_at ? interruption : Interruption::kNone;
  }
  absl::Status AwaitTurn() override {
    ++turns;
    return absl::OkStatus();
  }
  absl::StatusOr<std::unique_ptr<Trainer>> NewTrainer(
      std::size_t phase) override {
    phases.push_back(phase);
    const Network network = SmallNetwork();
    return trainers_.Create({}, network,
                            ToWeights(InitialWeights(network, 1, false)), {});
  }
  absl::Status BeginPhase(std::size_t phase, Trainer& trainer) override {
    begun.emplace_back(phase, trainer.Save()->steps);
    return absl::OkStatus();
  }
  absl::StatusOr<std::vector<TrainingBatch>> BatchesOf(
      std::int64_t step) override {
    steps.push_back(step);
    if (fetch) {
      fetch();
    }
    const auto first = static_cast<std::size_t>(step % kClasses);
    return std::vector<TrainingBatch>{
        {.pictures = {&pictures_[first], &pictures_[(first + 1) % kClasses]},
         .labels = {static_cast<int>(first),
                    static_cast<int>((first + 1) % kClasses)},
         .seed = static_cast<std::uint64_t>(step)}};
  }
  absl::Status EstimateNorms(Trainer& /*trainer*/) override {
    ++estimates;
    return absl::OkStatus();
  }
  absl::StatusOr<EvaluationMetrics> Evaluate(Trainer& /*trainer*/,
                                             std::int64_t step) override {
    evaluated.push_back(step);
    const auto found = accuracies.find(step);
    return EvaluationMetrics{
        .step = step,
        .examples = 10,
        .loss = 1,
        .accuracy = found == accuracies.end() ? 0.5 : found->second};
  }
  absl::Status Save(const TrainingState& state) override {
    saved.push_back(state);
    return absl::OkStatus();
  }
  absl::StatusOr<std::optional<TrainingState>> LoadLast() override {
    return saved.empty() ? std::nullopt : std::optional(saved.back());
  }
  absl::Status Tell(const JobEventBody& event) override {
    events.push_back(event);
    return absl::OkStatus();
  }

  void NoteStep(const StepNote& note) override { notes.push_back(note); }

  absl::Status KeepSamples(const std::vector<GradientSample>& samples,
                           bool event) override {
    for (const GradientSample& sample : samples) {
      kept.push_back(sample.step);
    }
    if (event) {
      events.emplace_back(BlockGradients{.sample = samples.back()});
    }
    return absl::OkStatus();
  }

  template <typename Event>
  std::vector<Event> EventsOf() const {
    std::vector<Event> found;
    for (const JobEventBody& event : events) {
      if (const auto* one = std::get_if<Event>(&event)) {
        found.push_back(*one);
      }
    }
    return found;
  }

  // The question of that number is answered with `interruption`.
  int interrupt_at = -1;
  Interruption interruption = Interruption::kPause;
  std::map<std::int64_t, double> accuracies;
  // Called where pictures are fetched.
  std::function<void()> fetch;
  int turns = 0;
  int estimates = 0;
  std::vector<std::size_t> phases;
  // With the steps of the optimiser that the trainer had.
  std::vector<std::pair<std::size_t, std::int64_t>> begun;
  std::vector<std::int64_t> steps;
  std::vector<std::int64_t> evaluated;
  std::vector<TrainingState> saved;
  std::vector<JobEventBody> events;
  std::vector<StepNote> notes;
  // Steps of samples.
  std::vector<std::int64_t> kept;

 private:
  ScriptedTrainers& trainers_;
  std::vector<Pixels> pictures_;
  int asked_ = 0;
};

class TrainLoopTest : public testing::Test {
 protected:
  absl::StatusOr<LoopResult> Run(Host& host, const Recipe& recipe,
                                 int setbacks = 0) {
    TrainLoop::Options options = options_;
    options.recipe = recipe;
    options.classes = kClasses;
    options.setbacks = setbacks;
    options.deadline = deadline_;
    TrainLoop loop(options, host, clock_);
    return loop.Run();
  }
  static std::vector<std::int64_t> SavedSteps(const Host& host) {
    std::vector<std::int64_t> steps;
    for (const TrainingState& state : host.saved) {
      steps.push_back(state.step);
    }
    return steps;
  }

  FakeClock clock_;
  ScriptedTrainers trainers_;
  SteadyTime deadline_ = kNoDeadline;
  TrainLoop::Options options_;
};

}  // namespace resnetd
