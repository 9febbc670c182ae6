#pragma once

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "server/base/clock.h"
#include "server/serving/batch_times.h"
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
  // Of the caller that asks.
  std::size_t own_images = 0;
  std::size_t own_bytes = 0;
  // Callers that have something in it, the one that asks included.
  std::size_t callers = 1;
  // Somebody with less than a share was refused for want of room lately: until
  // that is over, nobody gets more than a share, with one share left free.
  bool is_crowded = false;
};

// An equal share of `limit`, of a queue with this load.
std::size_t ShareOf(std::size_t limit, const QueueLoad& load);

// Predicted times of decoders, from pictures that they decoded.
struct DecodeTime {
  std::size_t decoders = 1;
  // Time that one decoder would take for what goes before the request.
  Duration ahead{};
  // For all of its pictures; zero: none needs a decoder, and nothing of this
  // counts.
  Duration own{};
};

// Predicted times, from measured batches.
struct ServiceTime {
  // Of the model's batches; null or empty: not measured yet. The caller's.
  const BatchTimes* times = nullptr;
  std::size_t workers = 1;
  // Time that one worker would take for what goes before the request: images
  // of any model, of its priority or a higher one. See WorkAhead.
  Duration ahead{};
  // Since the last batch of the model.
  Duration measured_ago{};
  DecodeTime decode{};
};

// A request that wants to join a queue.
struct AdmissionRequest {
  std::size_t images = 1;
  std::size_t bytes = 0;
  Priority priority = Priority::kNormal;
  SteadyTime now{};
  SteadyTime deadline = kNoDeadline;
  // Who asks; see ClassifyRequest.
  std::string identity{};
  // Time of decoders that its pictures announce, see DecodeCost.
  Duration decode{};
};

// For decoders and workers, whoever is the later. They are a pipeline: while
// one picture is computed the next is decoded, so that the longer of the two
// backlogs is what there is to wait for, and not their sum.
Duration PredictWait(const ServiceTime& service);
// Until its last one is through: the workers begin with it when they are
// through with what goes before and one of its pictures is decoded, and their
// last batch cannot begin before the last one is. What goes before may take a
// quarter longer than measured: a prediction that is too long costs a refusal,
// one that is too short the whole work for an answer that comes late.
Duration PredictFinish(const ServiceTime& service, std::size_t images);

// Whether a request may join a queue that holds `load`.
//
// An idle server whose last measurement is a second old tries a deadline that
// it takes to be out of reach: what was measured once, and slow, would never be
// measured again otherwise.
//
// RESOURCE_EXHAUSTED (QUEUE_FULL: of all or of the caller's share, OVERLOADED)
// with retry_after; never for a request that alone is larger than the queue's
// bytes (that is a limit of the request, checked before). DEADLINE_EXCEEDED
// (DEADLINE_UNREACHABLE, metadata "predicted_ms"; EXPIRED_IN_QUEUE when it has
// passed already).
absl::Status Admit(const QueueLimits& limits, const QueueLoad& load,
                   const ServiceTime& service, const AdmissionRequest& request);

}  // namespace resnetd
