// B4 of docs/gradients.md: what explodes diverges, and is recovered from.

#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "server/base/clock.h"
#include "server/base/error.h"
#include "tests/claims/claims_fixture.h"
#include "tests/claims/digits_host.h"

namespace resnetd {
namespace {

// A real trainer whose rates are multiplied at some of its steps.
class JoltedTrainer final : public Trainer {
 public:
  // `steps_left`: until the first one that is; counted over all trainers.
  JoltedTrainer(std::unique_ptr<Trainer> inner, int& steps_left, int jolts,
                double factor)
      : inner_(std::move(inner)),
        steps_left_(steps_left),
        jolts_(jolts),
        factor_(factor) {}

  absl::StatusOr<StepReport> Step(absl::Span<const TrainingBatch> batches,
                                  const StepSettings& settings) override {
    StepSettings own = settings;
    --steps_left_;
    if (steps_left_ < 0 && steps_left_ >= -jolts_) {
      for (double& rate : own.rates) {
        rate *= factor_;
      }
    }
    return inner_->Step(batches, own);
  }
  absl::StatusOr<std::optional<GradientSample>> PendingSample() override {
    return inner_->PendingSample();
  }
  absl::StatusOr<std::vector<float>> Logits(
      absl::Span<const Pixels* const> batch) override {
    return inner_->Logits(batch);
  }
  absl::StatusOr<std::vector<float>> LogitsOfFeatures(
      absl::Span<const Features> batch) override {
    return inner_->LogitsOfFeatures(batch);
  }
  absl::Status EstimateNorms(
      absl::Span<const std::vector<const Pixels*>> batches) override {
    return inner_->EstimateNorms(batches);
  }
  absl::Status EstimateNormsOfFeatures(
      absl::Span<const std::vector<Features>> batches) override {
    return inner_->EstimateNormsOfFeatures(batches);
  }
  absl::StatusOr<TensorList> ExportWeights() override {
    return inner_->ExportWeights();
  }
  absl::StatusOr<TrainerState> Save() override { return inner_->Save(); }
  absl::Status Restore(const TrainerState& state) override {
    return inner_->Restore(state);
  }
  std::int64_t resident_bytes() const override {
    return inner_->resident_bytes();
  }

 private:
  const std::unique_ptr<Trainer> inner_;
  int& steps_left_;
  const int jolts_;
  const double factor_;
};

struct Outcome {
  absl::StatusOr<LoopResult> result;
  std::vector<AlarmRaised> alarms;
  double accuracy = 0;
};

// `jolts` steps after the first `before` at `factor` times their rates.
Outcome TrainWith(double factor, int jolts, int before,
                  std::vector<AlarmSetting> alarms = {}) {
  const DigitsTraining training{
      .network = {.stage_blocks = 1}, .rate = 0.1, .epochs = 5};
  DigitsHost host(training, AllDigits());
  int steps_left = before;
  host.wrap = [&](std::unique_ptr<Trainer> inner) {
    return std::make_unique<JoltedTrainer>(std::move(inner), steps_left, jolts,
                                           factor);
  };
  TrainLoop::Options options = LoopOptions(training, AllDigits());
  options.alarms = std::move(alarms);
  TrainLoop loop(options, host, RealClock());
  Outcome outcome{.result = loop.Run(), .alarms = {}};
  outcome.alarms = host.alarms;
  outcome.accuracy =
      host.evaluations.empty() ? 0 : host.evaluations.back().accuracy;
  for (const AlarmRaised& alarm : outcome.alarms) {
    std::cout << AlarmName(alarm.kind) << " at step " << alarm.step << ": "
              << alarm.text << '\n';
  }
  return outcome;
}

bool Has(const std::vector<AlarmRaised>& alarms, AlarmKind kind,
         AlarmAction action) {
  return std::any_of(alarms.begin(), alarms.end(), [&](const auto& alarm) {
    return alarm.kind == kind && alarm.action == action;
  });
}

// Samples are taken of every tenth step, the first among them.
constexpr int kUnobserved = 52;
constexpr int kObserved = 50;
constexpr double kOverflow = std::numeric_limits<float>::max();

TEST(ClaimB4, WhatIsNotFiniteIsGoneBackFromOnceAndTheTrainingSucceeds) {
  const Outcome outcome = TrainWith(kOverflow, 1, kUnobserved);
  ASSERT_TRUE(outcome.result.ok()) << outcome.result.status();
  EXPECT_EQ(outcome.result->interrupted, Interruption::kNone);
  EXPECT_EQ(outcome.result->setbacks, 1);
  EXPECT_TRUE(
      Has(outcome.alarms, AlarmKind::kNonfinite, AlarmAction::kRollback));
  EXPECT_GT(outcome.accuracy, 0.9);
}

// By its gradients, a few steps later, or by its update, when it is seen.
TEST(ClaimB4, ARateTenThousandTimesTooHighPausesTheTraining) {
  const Outcome late = TrainWith(1e4, 1, kUnobserved);
  const Outcome at_once = TrainWith(1e4, 1, kObserved);
  for (const Outcome* outcome : {&late, &at_once}) {
    ASSERT_TRUE(outcome->result.ok()) << outcome->result.status();
    EXPECT_EQ(outcome->result->interrupted, Interruption::kPause);
    EXPECT_TRUE(
        Has(outcome->alarms, AlarmKind::kExploding, AlarmAction::kPause));
  }
  EXPECT_LE(late.result->step, kUnobserved + 5);
  EXPECT_EQ(at_once.result->step, kObserved + 1);
}

TEST(ClaimB4, ItIsGoneBackFromAndSucceedsWhereExplodingMeansThat) {
  const Outcome outcome = TrainWith(
      1e4, 1, kUnobserved,
      {{.kind = AlarmKind::kExploding, .action = AlarmAction::kRollback}});
  ASSERT_TRUE(outcome.result.ok()) << outcome.result.status();
  EXPECT_EQ(outcome.result->interrupted, Interruption::kNone);
  EXPECT_EQ(outcome.result->setbacks, 1);
  EXPECT_GT(outcome.accuracy, 0.9);
}

TEST(ClaimB4, WhatOverflowsAgainAndAgainFailsWithItsReason) {
  const Outcome outcome = TrainWith(kOverflow, 1'000'000, kUnobserved);
  EXPECT_EQ(DetailsOf(outcome.result.status()).reason, "NONFINITE_LOSS")
      << outcome.result.status();
  EXPECT_TRUE(
      Has(outcome.alarms, AlarmKind::kNonfinite, AlarmAction::kRollback));
}

}  // namespace
}  // namespace resnetd
