#pragma once

#include <string>
#include <vector>

#include "absl/types/span.h"
#include "server/app/config.h"

namespace resnetd {

// How the cores are shared out. Every field >= 1.
struct ThreadPlan {
  // Batches that run at once, and threads of each.
  int workers = 1;
  int threads = 1;
  int decode_threads = 1;
  // Of a training step.
  int train_threads = 1;
  // The cores that the threads of worker i stay on, cores[i]; empty: wherever
  // the scheduler puts them.
  std::vector<std::vector<int>> cores;
};

// What the settings leave open, decided. `usable`: cores that the quota of the
// process lets it use; `allowed`: those that its affinity names. Pure.
//
// A CPU that also trains serves with one thread a batch and as many workers as
// cores: at half of the full load calls wait less for one of two workers than
// for the only one, and a batch never waits for a thread that another holds up.
// A server that only answers has teams of two (of an even number of cores), for
// the latency of single calls. docs/benchmarks.md has what either is worth.
//
// Threads are tied to cores only where they are to have all that the process
// may use: other processes that do the same with a share of a machine would
// meet on the same cores.
ThreadPlan PlanThreads(const Config& config, int usable,
                       absl::Span<const int> allowed);
// For this process.
ThreadPlan PlanThreads(const Config& config);

// "2 workers of 1 thread, each on cores of its own".
std::string Describe(const ThreadPlan& plan);

}  // namespace resnetd
