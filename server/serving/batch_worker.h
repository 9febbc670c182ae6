#pragma once

#include <atomic>
#include <vector>

#include "absl/status/statusor.h"
#include "server/base/clock.h"
#include "server/models/model.h"
#include "server/models/version_tallies.h"
#include "server/serving/batch_queue.h"

namespace resnetd {

// A batch on its way through the network.
struct RunningBatch {
  // All of one version.
  std::vector<QueuedImage> images;
  SteadyTime started{};
  // Why they are not more.
  BatchClose close = BatchClose::kDrained;
};

// Finishes what nobody waits for any more; what is left of `taken` is to run.
RunningBatch StartBatch(TakenBatch taken, SteadyTime now);

// Finishes every image of `batch`, which ran until now, exactly once: picks the
// classes, or answers with the error. `tallies`: who counts how versions fare,
// or null. Thread-safe.
void FinishBatch(RunningBatch batch, const absl::StatusOr<ModelOutput>& output,
                 const Clock& clock, VersionTallies* tallies = nullptr);

// Runs one batch: StartBatch(), the network, FinishBatch(). All images are at
// the network size of their version. One that the network cannot compute
// (INTERNAL) is computed again in halves: what fails alone is answered so, the
// others as if it had not been there. One for which memory is short
// (RESOURCE_EXHAUSTED) is halved once. Thread-safe.
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
