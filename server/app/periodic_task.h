#pragma once

#include <functional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/base/thread.h"

namespace resnetd {

// Runs a task in a thread of its own, at once and then `interval` after each
// end, until destroyed: that waits for a run in progress, never for the next.
class PeriodicTask {
 public:
  PeriodicTask(std::string name, Duration interval, std::function<void()> task);
  ~PeriodicTask();
  PeriodicTask(const PeriodicTask&) = delete;
  PeriodicTask& operator=(const PeriodicTask&) = delete;

  // Runs it once more without waiting for the interval; once for all calls
  // before that run begins. Returns at once.
  void RunSoon() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Run();
  // False: the end has come.
  bool WaitForNext() ABSL_LOCKS_EXCLUDED(mutex_);

  const Duration interval_;
  const std::function<void()> task_;
  Mutex mutex_;
  CondVar ended_;
  bool is_over_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_asked_ ABSL_GUARDED_BY(mutex_) = false;
  Thread thread_;
};

}  // namespace resnetd
