#pragma once

#include <atomic>
#include <vector>

#include "server/base/clock.h"
#include "server/models/version_tallies.h"
#include "server/serving/batch_queue.h"

namespace resnetd {

// Runs one batch: drops images that nobody waits for, computes the logits,
// picks the classes, finishes every image exactly once. All images are of one
// version and at its network size. `tallies`: who counts how versions fare, or
// null. Thread-safe.
void RunBatch(std::vector<QueuedImage> batch, const Clock& clock,
              VersionTallies* tallies = nullptr);

// The loop of a worker thread: takes batches until the queue is closed and
// empty. Once `stopping` is set, the images that are left are answered with
// UNAVAILABLE (DRAINING) instead of being run.
void ServeBatches(BatchQueue& queue, const std::atomic<bool>& stopping,
                  const Clock& clock, VersionTallies* tallies = nullptr);

// The answer to everything that is refused or given up on the way out.
absl::Status DrainingError();

}  // namespace resnetd
