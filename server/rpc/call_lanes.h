#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "server/base/thread_pool.h"

namespace resnetd {

// Threads with a bounded queue for what must not be done in gRPC's threads.
// Thread-safe.
class CallLane {
 public:
  CallLane(const std::string& name, std::size_t threads, std::size_t limit)
      : limit_(limit),
        pool_({.name = name, .threads = threads, .queue_limit = limit}) {}

  // RESOURCE_EXHAUSTED (OVERLOADED) with retry_after: `limit` calls wait, and
  // the task was not taken.
  absl::Status Submit(std::function<void()> task);

 private:
  const std::size_t limit_;
  ThreadPool pool_;
};

// What the calls of ModelService wait in. The destructor runs what waits to its
// end. Thread-safe.
struct CallLanes {
  // `max_calls`: calls that may be in flight. Each has at most one task in
  // `imports` and `transfers`, and the watches one together: these lanes are
  // never full. An upload would be lost otherwise, after its last byte.
  explicit CallLanes(std::size_t max_calls)
      : control("control", 1, kMaxWaitingChanges),
        imports("import", 1, max_calls),
        transfers("transfer", kTransferThreads, max_calls + 1),
        evaluations("evaluate", kEvaluationThreads, kMaxWaitingChanges) {}

  static constexpr std::size_t kMaxWaitingChanges = 64;
  static constexpr std::size_t kTransferThreads = 2;
  // One waits for the evaluation that runs, one refuses the others.
  static constexpr std::size_t kEvaluationThreads = 2;

  // Changes, one after the other.
  CallLane control;
  // The last step of an upload, which checks and loads the whole network for
  // seconds: a roll-back must not wait for it.
  CallLane imports;
  // Short reads and writes: lists, events, chunks of files.
  CallLane transfers;
  // Whole datasets through a network: minutes.
  CallLane evaluations;
};

}  // namespace resnetd
