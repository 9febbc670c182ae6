#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/serving/admission.h"
#include "server/serving/work_ahead.h"
#include "server/telemetry/serving_metrics.h"

namespace resnetd {

// Keeps the books of one model's queue: what was let in and is not answered
// yet, and how long an image takes. Thread-safe.
class QueueAccount {
 public:
  // `metrics` and `ahead`, what all models share, outlive this object.
  QueueAccount(const QueueLimits& limits, std::size_t workers,
               ModelMetrics& metrics, WorkAhead& ahead);

  // Lets a request in, or says why not (the errors of Admit()). What was let in
  // must be given back by Release().
  absl::Status Reserve(const AdmissionRequest& request)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // One image of `bytes` bytes of a request of `priority` was answered.
  void Release(Priority priority, std::size_t bytes)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // A batch of `images` images took `duration`.
  void RecordBatch(std::size_t images, Duration duration)
      ABSL_LOCKS_EXCLUDED(mutex_);

  QueueLoad load() const ABSL_LOCKS_EXCLUDED(mutex_);
  ModelMetrics& metrics() { return metrics_; }

 private:
  // Tells `ahead_` what changed.
  void TellAhead() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const QueueLimits limits_;
  const std::size_t workers_;
  ModelMetrics& metrics_;
  WorkAhead& ahead_;
  mutable Mutex mutex_;
  QueueLoad load_ ABSL_GUARDED_BY(mutex_);
  std::array<std::int64_t, kPriorities> images_ ABSL_GUARDED_BY(mutex_){};
  // Time of one image on one worker; zero: not measured yet.
  Duration per_image_ ABSL_GUARDED_BY(mutex_){};
  // As `ahead_` was told.
  WorkByPriority told_ ABSL_GUARDED_BY(mutex_){};
};

}  // namespace resnetd
