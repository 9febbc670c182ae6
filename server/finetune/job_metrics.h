#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "server/base/ids.h"
#include "server/base/mutex.h"
#include "server/finetune/gradient_figures.h"
#include "server/finetune/gradient_sample.h"
#include "server/finetune/job.h"
#include "server/telemetry/training_metrics.h"

namespace resnetd {

// Makes metrics of what happens to jobs. Thread-safe: told of changes in any
// order, it believes the newest.
class JobMetrics {
 public:
  // `metrics` outlives this.
  explicit JobMetrics(TrainingMetrics& metrics) : metrics_(metrics) {}

  // `job` was committed in its `generation`, with `events` but for changes of
  // state; it was in `before`, if it was at all.
  void Changed(const Job& job, std::int64_t generation,
               std::optional<JobState> before,
               const std::vector<JobEventBody>& events)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // A job that a former process left.
  void Found(const Job& job, std::int64_t generation)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // A step of the job was sampled; `labels`: of its blocks, as metrics show
  // them ("layer3.05"). Told of every sample, as signal and noise are means of
  // them. Of a job that is not in the slot: nothing.
  void GradientSampled(JobNumber job, const GradientSample& sample,
                       const std::vector<std::string>& labels)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // For what is measured and no change of a job.
  TrainingMetrics& training() { return metrics_; }

  // The job that ran does so no longer.
  void SlotIsFree() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Seen {
    std::int64_t generation = 0;
    JobState state = JobState::kCreated;
  };

  // False: something newer is known.
  bool Note(const Job& job, std::int64_t generation)
      ABSL_LOCKS_EXCLUDED(mutex_);
  bool IsInSlot(JobNumber job) ABSL_LOCKS_EXCLUDED(mutex_);
  void Tell(const Job& job, const JobEventBody& event);

  TrainingMetrics& metrics_;
  Mutex mutex_;
  // All that are not done, and the newest of the others.
  std::map<JobNumber, Seen> jobs_ ABSL_GUARDED_BY(mutex_);
  std::optional<JobNumber> slot_ ABSL_GUARDED_BY(mutex_);
  // Of the job in the slot.
  GradientFigureMaker figures_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace resnetd
