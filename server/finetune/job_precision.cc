// JobRun::SettlePrecision(): which precision a job is trained in, where nobody
// says it.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "server/base/status_macros.h"
#include "server/finetune/job_run.h"
#include "server/finetune/rate_schedule.h"
#include "server/finetune/recipe_json.h"
#include "server/finetune/trainer_options.h"
#include "server/finetune/training_precision.h"

namespace resnetd {
namespace {

// Of a batch, so that the trial of a large network takes seconds.
constexpr std::size_t kTrialPictures = 8;
// The first is looked at, the others are timed.
constexpr int kTrialSteps = 4;

// Before the trial: a CPU without bfloat16 takes minutes for a step of its
// pictures. Two, as batch norm needs more than one value.
constexpr std::size_t kProbePictures = 2;

TrainingBatch FirstOf(TrainingBatch batch, std::size_t most) {
  const std::size_t size = std::min(most, batch.pictures.size());
  batch.pictures.resize(size);
  batch.labels.resize(size);
  batch.partners.clear();
  batch.mix = 1;
  return batch;
}

// The last phase is the one that trains most.
std::int64_t FirstStepOfLastPhase(const Recipe& recipe) {
  return TotalSteps(recipe) - recipe.phases.back().steps;
}

}  // namespace

absl::StatusOr<TrainingPrecision> JobRun::MeasurePrecision() {
  const std::int64_t step = FirstStepOfLastPhase(plan_.recipe);
  ASSIGN_OR_RETURN(const std::vector<TrainingBatch> batches,
                   batches_->BatchesOf(step));
  TrainerOptions options =
      TrainerOptionsFor(plan_, plan_.recipe.phases.size() - 1, around_.options);
  options.ema = 0;  // Is memory, and no part of a step's result.
  std::vector<std::unique_ptr<Trainer>> trainers;
  for (const auto precision :
       {TrainingPrecision::kFp32, TrainingPrecision::kBf16}) {
    options.precision = precision;
    ASSIGN_OR_RETURN(
        trainers.emplace_back(),
        trainers_->Create(options, network_, *weights_, plan_.preprocess));
  }
  std::vector<TrainingTrial> trials(trainers.size());
  const std::vector<double> rates = RatesAt(plan_.recipe, step);
  const auto round = [&](const TrainingBatch& batch, bool moves,
                         const auto& look) -> absl::Status {
    for (std::size_t arm = 0; arm < trainers.size(); ++arm) {
      if (!GoesOn()) {
        return absl::CancelledError("somebody wants it to end");
      }
      const SteadyTime begun = around_.clock.Now();
      ASSIGN_OR_RETURN(
          const StepReport report,
          trainers[arm]->Step(
              {&batch, 1},
              {.rates = moves ? rates : std::vector<double>(rates.size())}));
      look(trials[arm], report, around_.clock.Now() - begun);
    }
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(round(FirstOf(batches.front(), kProbePictures), false,
                        [](TrainingTrial& trial, const StepReport& /*report*/,
                           Duration taken) { trial.fastest = taken; }));
  if (IsHopeless(trials.front(), trials.back())) {
    return TrainingPrecision::kFp32;
  }
  const TrainingBatch batch = FirstOf(batches.front(), kTrialPictures);
  for (int i = 0; i < kTrialSteps; ++i) {
    RETURN_IF_ERROR(round(
        batch, true,
        [i](TrainingTrial& trial, const StepReport& report, Duration taken) {
          if (i == 0) {
            trial.loss = report.loss;
            trial.gradient_norm = report.gradient_norm;
          }
          trial.fastest = i <= 1 ? taken : std::min(trial.fastest, taken);
        }));
  }
  return ChoosePrecision(trials.front(), trials.back());
}

absl::Status JobRun::SettlePrecision() {
  if (job_->status.precision_is_settled ||
      !IsPrecisionOpen(job_->spec.recipe, plan_.recipe, network_)) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(plan_.recipe.precision, MeasurePrecision());
  return Change([&](JobEdit& edit) {
    edit.status.recipe = plan_.recipe;
    edit.status.config_hash = ConfigHash(plan_.recipe);
    edit.status.precision_is_settled = true;
  });
}

}  // namespace resnetd
