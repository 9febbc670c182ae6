// JobRun::Estimate(): a few steps that nothing is kept of.
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "server/base/status_macros.h"
#include "server/base/system_memory.h"
#include "server/base/thread.h"
#include "server/base/thread_priority.h"
#include "server/finetune/job_memory.h"
#include "server/finetune/job_result.h"
#include "server/finetune/job_rules.h"
#include "server/finetune/job_run.h"
#include "server/finetune/rate_schedule.h"
#include "server/finetune/training_precision.h"

namespace resnetd {
namespace {

// Pictures that are read: enough for two batches of the largest preset.
constexpr std::size_t kSample = 512;
constexpr std::size_t kValidationSample = 64;
// The first step of a trainer makes its buffers and is not counted.
constexpr int kWarmUps = 1;
constexpr int kMeasured = 2;

// Spread over all of them: they may lie class by class.
void Thin(std::size_t most, std::vector<PlannedExample>& examples) {
  const std::size_t count = std::min(most, examples.size());
  std::vector<PlannedExample> kept;
  for (std::size_t i = 0; i < count; ++i) {
    kept.push_back(examples[i * examples.size() / count]);
  }
  examples = std::move(kept);
}

// At most five years, so that the sum over all phases is a Duration.
Duration Times(Duration one, double count) {
  constexpr double kMost = 5 * 365.25 * 24 * 3600 * 1e9;
  return Duration(static_cast<Duration::rep>(
      std::min(static_cast<double>(one.count()) * count, kMost)));
}

double Ratio(std::size_t all, std::size_t some) {
  return static_cast<double>(all) /
         static_cast<double>(std::max<std::size_t>(some, 1));
}

}  // namespace

absl::StatusOr<JobRun::Measurement> JobRun::MeasurePhase(std::size_t phase,
                                                         std::int64_t step) {
  Measurement measured;
  ASSIGN_OR_RETURN(const std::unique_ptr<Trainer> trainer, NewTrainer(phase));
  for (int i = 0; i < kWarmUps + kMeasured; ++i) {
    if (!GoesOn()) {
      return absl::CancelledError("the estimate was ended");
    }
    const SteadyTime begun = around_.clock.Now();
    ASSIGN_OR_RETURN(const std::vector<TrainingBatch> batches, BatchesOf(step));
    StepSettings settings{.rates = RatesAt(plan_.recipe, step)};
    if (i < kWarmUps && job_->spec.observation.probe_every > 0) {
      // As the first step of a job: for the memory that it takes.
      settings.observe = {.step = 1, .noise = job_->spec.observation.snr};
    }
    RETURN_IF_ERROR(trainer->Step(batches, settings).status());
    if (i >= kWarmUps) {
      const Duration taken = around_.clock.Now() - begun;
      measured.fastest = std::min(measured.fastest, taken);
      measured.slowest = std::max(measured.slowest, taken);
      ++measured.steps;
    }
  }
  const SteadyTime begun = around_.clock.Now();
  if (plan_.recipe.norms == NormPolicy::kReestimate) {
    RETURN_IF_ERROR(EstimateNorms(*trainer));
  }
  measured.norms = around_.clock.Now() - begun;
  const SteadyTime then = around_.clock.Now();
  RETURN_IF_ERROR(LogitsOf(*trainer, validation_).status());
  measured.validation = around_.clock.Now() - then;
  measured.resident_bytes = trainer->resident_bytes();
  return measured;
}

absl::StatusOr<std::int64_t> JobRun::AddPhases(std::size_t trained,
                                               std::size_t validated,
                                               JobEstimate& estimate) {
  std::map<std::vector<bool>, Measurement> known;
  std::int64_t first = 0;
  std::int64_t resident = 0;
  for (std::size_t phase = 0; phase < plan_.recipe.phases.size(); ++phase) {
    const TrainingPhase& here = plan_.recipe.phases[phase];
    auto found = known.find(here.trained_parts);
    if (found == known.end()) {
      ASSIGN_OR_RETURN(const Measurement measured, MeasurePhase(phase, first));
      found = known.emplace(here.trained_parts, measured).first;
      estimate.measured_steps += measured.steps;
    }
    const Measurement& one = found->second;
    const auto steps = static_cast<double>(here.steps);
    const double evaluations =
        steps / static_cast<double>(plan_.recipe.evaluate_every);
    const Duration evaluation =
        Times(one.norms, Ratio(std::min(kNormPictures, trained),
                               std::min(kNormPictures, pictures_->size()))) +
        Times(one.validation, Ratio(validated, validation_.size()));
    estimate.low += Times(one.fastest, steps) + Times(evaluation, evaluations);
    estimate.high += Times(one.slowest, steps) + Times(evaluation, evaluations);
    resident = std::max(resident, one.resident_bytes);
    first += here.steps;
  }
  return resident;
}

absl::StatusOr<JobEstimate> JobRun::Estimate(const JobSpec& spec) {
  job_ = Job{.number = number_, .spec = spec};
  ASSIGN_OR_RETURN(const PlanInputs inputs,
                   ReadInputs(spec, around_.store, around_.models));
  ASSIGN_OR_RETURN(plan_, PlanJob(spec, inputs));
  network_ = BuildNetwork(plan_.architecture);
  const TrainingMemory memory = EstimateMemoryOf(
      plan_, spec.observation, around_.options.max_picture_bytes);
  const SystemMemory system = around_.options.memory();
  RETURN_IF_ERROR(CheckTrainingMemory(memory, system.free));
  ASSIGN_OR_RETURN(trainers_, around_.trainers());
  const std::size_t trained = plan_.train.size() + plan_.replay.size();
  const std::size_t validated = plan_.validation.size();
  Thin(kSample, plan_.train);
  Thin(kSample, plan_.replay);
  Thin(kValidationSample, plan_.validation);

  ForgetPeakMemory();
  const std::optional<std::int64_t> before = PeakMemory();
  const SteadyTime begun = around_.clock.Now();
  RETURN_IF_ERROR(Prepare());
  const std::size_t sample =
      plan_.train.size() + plan_.replay.size() + plan_.validation.size();
  const Duration preparing =
      Times(around_.clock.Now() - begun, Ratio(trained + validated, sample));
  if (IsPrecisionOpen(spec.recipe, plan_.recipe, network_)) {
    ASSIGN_OR_RETURN(plan_.recipe.precision, MeasurePrecision());
  }

  JobEstimate estimate{.recipe = plan_.recipe,
                       .steps = TotalSteps(plan_.recipe),
                       .free_bytes = system.free.value_or(0),
                       .low = preparing,
                       .high = preparing};
  ASSIGN_OR_RETURN(const std::int64_t resident,
                   AddPhases(trained, validated, estimate));
  const std::optional<std::int64_t> after = PeakMemory();
  // What was measured has few pictures, and may have used memory that a job
  // before gave back: never less than what is known to be needed.
  estimate.peak_bytes =
      memory.pictures + std::max(memory.total() - memory.pictures,
                                 after && before ? *after - *before : resident);
  return estimate;
}

absl::StatusOr<JobEstimate> EstimateJob(const JobSurroundings& around,
                                        const JobSpec& spec,
                                        const std::atomic<Wish>& wish) {
  absl::StatusOr<JobEstimate> estimate = absl::UnknownError("");
  Thread("job-estimate", [&] {
    if (around.options.gives_way) {
      RunOnlyWhenIdle();
    }
    estimate = JobRun(around, JobNumber{0}, wish).Estimate(spec);
  }).Join();
  return absl::IsCancelled(estimate.status()) ? ServerStopping() : estimate;
}

}  // namespace resnetd
