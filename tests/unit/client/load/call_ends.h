#pragma once

#include <cstddef>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "client/load/load_run.h"
#include "server/base/mutex.h"

namespace resnetd::client {

// Waits for the ends of calls.
class Ends {
 public:
  explicit Ends(std::size_t calls) : outcomes_(calls) {}

  Caller::Done Take(std::size_t number) {
    return [this, number](const CallOutcome& outcome) {
      const MutexLock lock(mutex_);
      outcomes_[number] = outcome;
      ++ended_;
      changed_.NotifyAll();
    };
  }
  std::vector<CallOutcome> Wait() {
    const MutexLock lock(mutex_);
    while (ended_ < outcomes_.size()) {
      changed_.Wait(mutex_);
    }
    return outcomes_;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::size_t ended_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<CallOutcome> outcomes_ ABSL_GUARDED_BY(mutex_);
};

// How as many calls end, from `first` on.
inline std::vector<CallOutcome> MakeCalls(Caller& caller, std::size_t calls,
                                          std::size_t first = 0) {
  Ends ends(calls);
  for (std::size_t i = 0; i < calls; ++i) {
    caller.Call(first + i, ends.Take(i));
  }
  return ends.Wait();
}

}  // namespace resnetd::client
