#pragma once

#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "server/base/error.h"
#include "server/finetune/trainer.h"

namespace resnetd {

// What goes wrong with the steps of a ScriptedTrainer, by the number of the
// call of Step() over all trainers of a factory, from 0 on. Called from the
// thread that trains.
struct TrainerScript {
  // An error is the answer of the step.
  std::function<absl::Status(int call)> fail;
  // The loss that is reported instead; not finite: StepReport::is_finite is
  // false and nothing changes.
  std::function<double(int call, double loss)> loss;
  // After such a step the weights are infinite, and stay so.
  std::function<bool(int call)> overflow;
  // Restore() fails as with the state of another network.
  bool refuse_restore = false;
  // Called in each step: what the network would be computed with.
  std::function<void(TrainingPrecision)> compute;
  // Called in each step with its rates.
  std::function<void(absl::Span<const double>)> rates;
  // Reported where the rates are scaled by the gradients.
  std::vector<PartNorms> parts;
  // Of the steps that are observed; `step` and `examples` are set to theirs.
  // Unset: a sample without blocks whose norms are all 1.
  std::function<GradientSample(int call)> sample;
  // Of every step.
  std::optional<StepPhases> phases;
  // Samples come with the next step, as from an accelerator.
  bool samples_are_late = false;
};

// A Trainer without a network. Its knowledge is one number that each step
// raises by what the batch says, so that another batch, another order or a step
// too much gives other weights; Logits() are right once it knows enough. A
// picture's class is the red value of its first pixel / 20, which is also the
// first of its features.
class ScriptedTrainer final : public Trainer {
 public:
  ScriptedTrainer(TrainingPrecision precision, const Network& network,
                  const Weights& weights, const TrainerScript& script,
                  std::atomic<int>& calls)
      : precision_(precision),
        classes_(network.head.out_features),
        script_(script),
        calls_(calls) {
    for (const TensorSpec& spec : TensorSpecs(network)) {
      if (!spec.optional_counter) {
        weights_.emplace_back(spec.name, weights.at(spec.name));
      }
    }
  }

  absl::StatusOr<StepReport> Step(absl::Span<const TrainingBatch> batches,
                                  const StepSettings& settings) override {
    const int call = calls_.fetch_add(1);
    if (script_.fail) {
      if (absl::Status status = script_.fail(call); !status.ok()) {
        return status;
      }
    }
    if (script_.compute) {
      script_.compute(precision_);
    }
    if (script_.rates) {
      script_.rates(settings.rates);
    }
    StepReport report{.gradient_norm = 1};
    report.phases = script_.phases;
    if (settings.by_gradients) {
      report.parts = script_.parts;
    }
    float sum = 0;
    for (const TrainingBatch& batch : batches) {
      report.examples += static_cast<int>(batch.labels.size());
      report.correct = report.examples;
      for (std::size_t i = 0; i < batch.labels.size(); ++i) {
        const float red = batch.features.empty()
                              ? static_cast<float>(batch.pictures[i]->rgb[0])
                              : batch.features[i][0];
        sum = sum * 0.5F + red + static_cast<float>(batch.labels[i]) +
              static_cast<float>(batch.seed % 1000) / 1000.0F;
      }
    }
    report.loss = 1.0 / (1.0 + static_cast<double>(steps_));
    if (script_.loss) {
      report.loss = script_.loss(call, report.loss);
    }
    report.is_finite = std::isfinite(report.loss);
    if (report.is_finite) {
      ++steps_;
      knowledge_ =
          knowledge_ * 0.75F + sum * static_cast<float>(settings.rates.back());
      if (script_.overflow && script_.overflow(call)) {
        knowledge_ = std::numeric_limits<float>::infinity();
      }
      weights_.back().second.values[0] = knowledge_;
    }
    if (script_.samples_are_late) {
      report.sample = std::exchange(pending_, std::nullopt);
    }
    if (report.is_finite && settings.observe) {
      (script_.samples_are_late ? pending_ : report.sample) =
          SampleOf(call, report, *settings.observe);
    }
    return report;
  }

  absl::StatusOr<std::optional<GradientSample>> PendingSample() override {
    return std::exchange(pending_, std::nullopt);
  }

  absl::StatusOr<std::vector<float>> Logits(
      absl::Span<const Pixels* const> batch) override {
    std::vector<float> logits;
    for (const Pixels* picture : batch) {
      AppendLogits(picture->rgb[0], logits);
    }
    return logits;
  }
  absl::StatusOr<std::vector<float>> LogitsOfFeatures(
      absl::Span<const Features> batch) override {
    std::vector<float> logits;
    for (const Features& features : batch) {
      AppendLogits(static_cast<int>(features[0]), logits);
    }
    return logits;
  }

  absl::Status EstimateNorms(
      absl::Span<const std::vector<const Pixels*>> /*batches*/) override {
    return absl::OkStatus();
  }
  absl::Status EstimateNormsOfFeatures(
      absl::Span<const std::vector<Features>> /*batches*/) override {
    return absl::OkStatus();
  }
  absl::StatusOr<TensorList> ExportWeights() override { return weights_; }
  absl::StatusOr<TrainerState> Save() override {
    return TrainerState{
        .weights = weights_,
        .optimizer = {{"knowledge", {.shape = {1}, .values = {knowledge_}}}},
        .means = {},
        .steps = steps_};
  }
  absl::Status Restore(const TrainerState& state) override {
    if (script_.refuse_restore) {
      return Error(absl::StatusCode::kInvalidArgument,
                   Reason::kCheckpointCorrupt, "names are others");
    }
    // Checkpoints come back ordered by name.
    for (auto& [name, tensor] : weights_) {
      for (const auto& [other, value] : state.weights) {
        if (other == name) {
          tensor = value;
        }
      }
    }
    knowledge_ = state.optimizer.at(0).second.values.at(0);
    steps_ = state.steps;
    pending_.reset();
    return absl::OkStatus();
  }
  std::int64_t resident_bytes() const override { return 1; }

  // Steps after which every answer is right.
  static constexpr std::int64_t kLearnt = 4;

 private:
  GradientSample SampleOf(int call, const StepReport& report,
                          const Observation& observation) const {
    GradientSample sample;
    if (script_.sample) {
      sample = script_.sample(call);
    } else {
      sample.all = {.gradient = 1, .weights = 1, .update = 1};
    }
    sample.step = observation.step;
    sample.examples = report.examples;
    return sample;
  }

  void AppendLogits(int red, std::vector<float>& logits) const {
    std::vector<float> row(static_cast<std::size_t>(classes_), 0.0F);
    const auto label = static_cast<std::size_t>(red / 20);
    row[steps_ >= kLearnt ? label % row.size() : 0] = 5.0F;
    logits.insert(logits.end(), row.begin(), row.end());
  }

  const TrainingPrecision precision_;
  const int classes_;
  const TrainerScript& script_;
  std::atomic<int>& calls_;
  TensorList weights_;
  float knowledge_ = 0;
  std::int64_t steps_ = 0;
  std::optional<GradientSample> pending_;
};

// Outlives its trainers. Thread-safe but for `script`, which is set before.
class ScriptedTrainers final : public TrainerFactory {
 public:
  TrainerScript script;
  absl::StatusOr<std::unique_ptr<Trainer>> Create(
      const TrainerOptions& options, const Network& network,
      const Weights& weights, const PreprocessSpec& /*preprocess*/) override {
    return std::make_unique<ScriptedTrainer>(options.precision, network,
                                             weights, script, calls_);
  }
  std::string description() const override { return "scripted"; }
  // Of Step().
  int calls() const { return calls_.load(); }

 private:
  std::atomic<int> calls_{0};
};

}  // namespace resnetd
