#pragma once

#include <cstddef>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/serving/admission.h"
#include "server/telemetry/serving_metrics.h"

namespace resnetd {

// Keeps the books of one model's queue: what was let in and is not answered
// yet, and how long an image takes. Thread-safe.
class QueueAccount {
 public:
  // `metrics` outlives this object.
  QueueAccount(const QueueLimits& limits, std::size_t workers,
               ModelMetrics& metrics);

  // Lets a request in, or says why not (the errors of Admit()). What was let in
  // must be given back by Release().
  absl::Status Reserve(std::size_t images, std::size_t bytes, SteadyTime now,
                       SteadyTime deadline) ABSL_LOCKS_EXCLUDED(mutex_);

  // One image of `bytes` bytes was answered.
  void Release(std::size_t bytes) ABSL_LOCKS_EXCLUDED(mutex_);

  // A batch of `images` images took `duration`.
  void RecordBatch(std::size_t images, Duration duration)
      ABSL_LOCKS_EXCLUDED(mutex_);

  QueueLoad load() const ABSL_LOCKS_EXCLUDED(mutex_);
  ModelMetrics& metrics() { return metrics_; }

 private:
  const QueueLimits limits_;
  ModelMetrics& metrics_;
  mutable Mutex mutex_;
  QueueLoad load_ ABSL_GUARDED_BY(mutex_);
  ServiceTime service_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace resnetd
