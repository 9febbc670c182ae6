#include "server/finetune/job_metrics.h"

#include <set>
#include <string>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "server/finetune/job_state.h"

namespace resnetd {
namespace {

// Jobs that are done are remembered for what is told of them late.
constexpr std::size_t kMostRemembered = 1000;

PromotionResult ResultOf(const Job& job, const GateVerdict& verdict) {
  if (job.status.promotion == PromotionState::kPromoted) {
    return PromotionResult::kPromoted;
  }
  return verdict.passed ? PromotionResult::kFailed
                        : PromotionResult::kGateNotPassed;
}

TrainingSteps StepsOf(const Job& job, const StepMetrics& metrics) {
  const int batch = job.status.recipe ? job.status.recipe->batch_size : 0;
  return {.steps = metrics.steps,
          .examples = std::int64_t{metrics.steps} * batch,
          .loss = metrics.loss,
          .accuracy = metrics.accuracy,
          .gradient_norm = metrics.gradient_norm,
          .learning_rate = metrics.learning_rate};
}

}  // namespace

bool JobMetrics::Note(const Job& job, std::int64_t generation) {
  std::map<std::string, std::size_t> by_state;
  {
    const MutexLock lock(mutex_);
    Seen& seen = jobs_[job.number];
    if (generation <= seen.generation) {
      return false;
    }
    seen = {.generation = generation, .state = job.status.state};
    while (jobs_.size() > kMostRemembered &&
           IsDone(jobs_.begin()->second.state)) {
      jobs_.erase(jobs_.begin());
    }
    for (const auto& [number, one] : jobs_) {
      if (!IsDone(one.state)) {
        ++by_state[std::string(JobStateName(one.state))];
      }
    }
  }
  metrics_.SetJobs(by_state);
  return true;
}

bool JobMetrics::IsInSlot(JobNumber job) {
  const MutexLock lock(mutex_);
  return slot_ == job;
}

void JobMetrics::Found(const Job& job, std::int64_t generation) {
  Note(job, generation);
}

void JobMetrics::Changed(const Job& job, std::int64_t generation,
                         std::optional<JobState> before,
                         const std::vector<JobEventBody>& events) {
  const JobState state = job.status.state;
  const bool is_new = Note(job, generation) && before != state;
  if (is_new && state == JobState::kValidating) {
    {
      const MutexLock lock(mutex_);
      slot_ = job.number;
      figures_ = {};
    }
    metrics_.JobEntered(
        {.train_job = absl::StrCat(job.number.value),
         .model = job.spec.model.text(),
         .base = job.spec.base ? absl::StrCat(job.spec.base->value) : "",
         .config_hash = job.status.config_hash});
  }
  if (is_new && IsDone(state)) {
    metrics_.JobEnded(JobStateName(state));
  }
  if (IsInSlot(job.number)) {
    if (is_new) {
      metrics_.SetState(JobStateName(state));
    }
    metrics_.SetSteps(job.status.step, job.status.total_steps);
    std::set<std::string> raised;
    for (const ActiveAlarm& alarm : job.status.alarms) {
      raised.insert(std::string(AlarmName(alarm.kind)));
    }
    metrics_.SetAlarms(std::move(raised));
  }
  for (const JobEventBody& event : events) {
    Tell(job, event);
  }
}

void JobMetrics::Tell(const Job& job, const JobEventBody& event) {
  if (const auto* steps = std::get_if<StepMetrics>(&event)) {
    metrics_.Stepped(StepsOf(job, *steps), job.updated);
  } else if (const auto* evaluated = std::get_if<EvaluationMetrics>(&event)) {
    metrics_.Evaluated({.loss = evaluated->loss,
                        .accuracy = evaluated->accuracy,
                        .old_class_accuracy = evaluated->old_class_accuracy,
                        .calibration_error = evaluated->calibration_error});
  } else if (std::holds_alternative<CheckpointSaved>(event)) {
    metrics_.CheckpointSaved(job.updated);
  } else if (std::holds_alternative<Recovered>(event)) {
    metrics_.Recovered();
  } else if (const auto* verdict = std::get_if<GateVerdict>(&event)) {
    if (job.spec.promotion.kind != PromotionKind::kNone) {
      metrics_.PromotionEnded(ResultOf(job, *verdict));
    }
  }
}

void JobMetrics::GradientSampled(JobNumber job, const GradientSample& sample,
                                 const std::vector<std::string>& labels) {
  GradientFigures figures;
  {
    const MutexLock lock(mutex_);
    if (slot_ != job) {
      return;
    }
    figures = figures_.Make(sample, labels);
  }
  metrics_.GradientSampled(std::move(figures));
}

void JobMetrics::SlotIsFree() {
  {
    const MutexLock lock(mutex_);
    slot_.reset();
  }
  metrics_.JobLeft();
}

}  // namespace resnetd
