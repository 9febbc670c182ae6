#pragma once

#include <atomic>
#include <vector>

#include "absl/status/statusor.h"
#include "server/base/clock.h"
#include "server/models/model.h"
#include "server/models/version_tallies.h"
#include "server/serving/batch_queue.h"

namespace resnetd {

// Finishes what nobody waits for any more; what is left of `taken` is to run.
std::vector<QueuedImage> StartBatch(TakenBatch taken, SteadyTime now);

// Finishes every image of `batch`, which ran from `started` to now, exactly
// once: picks the classes, or answers with the error. All are of one version.
// `tallies`: who counts how versions fare, or null. Thread-safe.
void FinishBatch(std::vector<QueuedImage> batch,
                 const absl::StatusOr<ModelOutput>& output, SteadyTime started,
                 const Clock& clock, VersionTallies* tallies = nullptr);

// Runs one batch: StartBatch(), the network, FinishBatch(). All images are at
// the network size of their version. One that the network cannot compute
// (INTERNAL) is computed again in halves: what fails alone is answered so, the
// others as if it had not been there. Thread-safe.
void RunBatch(TakenBatch taken, const Clock& clock,
              VersionTallies* tallies = nullptr);

// The loop of a worker thread: takes batches until the queue is closed and
// empty. Once `stopping` is set, the images that are left are answered with
// UNAVAILABLE (DRAINING) instead of being run.
void ServeBatches(BatchQueue& queue, const std::atomic<bool>& stopping,
                  const Clock& clock, VersionTallies* tallies = nullptr);

// The answer to everything that is refused or given up on the way out.
absl::Status DrainingError();

}  // namespace resnetd
