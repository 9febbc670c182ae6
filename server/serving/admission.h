#pragma once

#include <cstddef>

#include "absl/status/status.h"
#include "server/base/clock.h"
#include "server/serving/classify_types.h"

namespace resnetd {

// What one model's queue may hold.
struct QueueLimits {
  std::size_t max_images = 4096;
  std::size_t max_bytes = 512U << 20U;
  // A request that would wait longer than this before its first image runs is
  // refused, but for those of Priority::kBatch, which may wait as long as their
  // deadline lets them. Short of most deadlines, so that what is taken is
  // answered in time while more is asked than can be done, and long enough for
  // some dozens of callers at once on a slow machine.
  Duration max_wait = std::chrono::seconds(1);
};

// What it holds now: images taken and not yet answered.
struct QueueLoad {
  std::size_t images = 0;
  std::size_t bytes = 0;
};

// Predicted times, from measured batches.
struct ServiceTime {
  // Time of one image on one worker; zero: not measured yet.
  Duration per_image{};
  std::size_t workers = 1;
  // Time that one worker would take for what goes before the request: images
  // of any model, of its priority or a higher one.
  Duration ahead{};
};

// A request that wants to join a queue.
struct AdmissionRequest {
  std::size_t images = 1;
  std::size_t bytes = 0;
  Priority priority = Priority::kNormal;
  SteadyTime now{};
  SteadyTime deadline = kNoDeadline;
};

// Until its first image runs.
Duration PredictWait(const ServiceTime& service);
// Until its last one is through. What goes before may take a quarter longer
// than measured: a prediction that is too long costs a refusal, one that is too
// short the whole work for an answer that comes late.
Duration PredictFinish(const ServiceTime& service, std::size_t images);

// Whether a request may join a queue that holds `load`.
//
// RESOURCE_EXHAUSTED (QUEUE_FULL, OVERLOADED) with retry_after; never for a
// request that alone is larger than the queue's bytes (that is a limit of the
// request, checked before). DEADLINE_EXCEEDED (DEADLINE_UNREACHABLE, metadata
// "predicted_ms"; EXPIRED_IN_QUEUE when it has passed already).
absl::Status Admit(const QueueLimits& limits, const QueueLoad& load,
                   const ServiceTime& service, const AdmissionRequest& request);

}  // namespace resnetd
