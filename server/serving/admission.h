#pragma once

#include <cstddef>

#include "absl/status/status.h"
#include "server/base/clock.h"

namespace resnetd {

// What one model's queue may hold.
struct QueueLimits {
  std::size_t max_images = 4096;
  std::size_t max_bytes = 512U << 20U;
  // A request that would wait longer than this before its first image runs is
  // refused. Half of the default deadline: what is admitted can still finish.
  Duration max_wait = std::chrono::seconds(5);
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
};

// Time until `images` images are through.
Duration PredictDuration(const ServiceTime& service, std::size_t images);

// Whether a request of `images` images and `bytes` bytes may join a queue.
//
// RESOURCE_EXHAUSTED (QUEUE_FULL, OVERLOADED) with retry_after; never for a
// request that alone is larger than the queue's bytes (that is a limit of the
// request, checked before). DEADLINE_EXCEEDED (DEADLINE_UNREACHABLE, metadata
// "predicted_ms"; EXPIRED_IN_QUEUE when it has passed already).
absl::Status Admit(const QueueLimits& limits, const QueueLoad& load,
                   const ServiceTime& service, std::size_t images,
                   std::size_t bytes, SteadyTime now, SteadyTime deadline);

}  // namespace resnetd
