#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "server/base/mutex.h"
#include "server/base/thread.h"

namespace resnetd {

// A fixed number of named threads with one bounded queue, first in first out.
//
// Thread-safe. Tasks must not throw.
class ThreadPool {
 public:
  struct Options {
    // Threads are called <name>-0, <name>-1, ...
    std::string name = "pool";
    // >= 1.
    std::size_t threads = 1;
    // Tasks that may wait; >= 1.
    std::size_t queue_limit = 4096;
  };

  explicit ThreadPool(Options options);
  // Runs what is queued to its end, then joins.
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // Never blocks. False when the queue is full: the task was not taken.
  [[nodiscard]] bool TrySubmit(std::function<void()> task)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Tasks that wait, without those that run.
  std::size_t queued() const ABSL_LOCKS_EXCLUDED(mutex_);
  std::size_t threads() const { return options_.threads; }

 private:
  void Work() ABSL_LOCKS_EXCLUDED(mutex_);

  const Options options_;
  mutable Mutex mutex_;
  CondVar changed_;
  std::deque<std::function<void()>> tasks_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<Thread> workers_;
};

}  // namespace resnetd
