#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "server/finetune/train_loop.h"
#include "server/nn/lab/lab_network.h"
#include "tests/support/digits.h"

namespace resnetd {

// What a training on the digits is about: everything is trained, by the recipe
// of jobs that begin with random weights but for what is said here.
struct DigitsTraining {
  // With shortcuts and norms.
  LabSpec network;
  double rate = 0.1;
  int epochs = 10;
};

// In batches of 64, one evaluation and one checkpoint an epoch.
TrainLoop::Options LoopOptions(const DigitsTraining& training,
                               const Digits& digits);

// The world of one training loop, in memory, with a real trainer on the CPU.
// Not thread-safe.
class DigitsHost final : public LoopHost {
 public:
  // `digits` outlives this.
  DigitsHost(const DigitsTraining& training, const Digits& digits);

  Interruption AskInterruption() override { return Interruption::kNone; }
  absl::Status AwaitTurn() override { return absl::OkStatus(); }
  absl::StatusOr<std::unique_ptr<Trainer>> NewTrainer(
      std::size_t phase) override;
  absl::Status BeginPhase(std::size_t /*phase*/,
                          Trainer& /*trainer*/) override {
    return absl::OkStatus();
  }
  absl::StatusOr<std::vector<TrainingBatch>> BatchesOf(
      std::int64_t step) override;
  absl::Status EstimateNorms(Trainer& /*trainer*/) override {
    return absl::OkStatus();
  }
  absl::StatusOr<EvaluationMetrics> Evaluate(Trainer& trainer,
                                             std::int64_t step) override;
  absl::Status Save(const TrainingState& state) override;
  absl::StatusOr<std::optional<TrainingState>> LoadLast() override {
    return saved_;
  }
  absl::Status Tell(const JobEventBody& event) override;
  void NoteStep(const StepNote& /*note*/) override {}
  absl::Status KeepSamples(const std::vector<GradientSample>& samples,
                           bool event) override;

  // Called with every trainer that is made, and gives back what takes its
  // place; empty: nothing does.
  std::function<std::unique_ptr<Trainer>(std::unique_ptr<Trainer>)> wrap;
  std::vector<AlarmRaised> alarms;
  std::vector<GradientSample> samples;
  std::vector<EvaluationMetrics> evaluations;

 private:
  const DigitsTraining training_;
  const Digits& digits_;
  const Network network_;
  const Weights weights_;
  std::optional<TrainingState> saved_;
};

}  // namespace resnetd
