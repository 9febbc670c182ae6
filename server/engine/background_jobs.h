#pragma once

#include <deque>
#include <functional>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "server/base/mutex.h"
#include "server/base/thread.h"

namespace resnetd {

// Work that nobody waits for, one job at a time on one thread that gives way to
// others (nice 10: under full load it is slow, but not starved). Thread-safe.
class BackgroundJobs {
 public:
  // Asked now and then by a job: true means end soon.
  using Stopped = std::function<bool()>;
  using Job = std::function<void(const Stopped& stopped)>;

  BackgroundJobs();
  // Stops the job that runs, forgets the others.
  ~BackgroundJobs();

  void Add(const void* owner, Job job) ABSL_LOCKS_EXCLUDED(mutex_);
  // Forgets the jobs of `owner`; waits for one that runs, which is told to
  // stop. Not from within a job.
  void Remove(const void* owner) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Entry {
    const void* owner = nullptr;
    Job job;
  };

  void Work() ABSL_LOCKS_EXCLUDED(mutex_);

  Mutex mutex_;
  CondVar changed_;
  std::deque<Entry> waiting_ ABSL_GUARDED_BY(mutex_);
  // Of the job that runs; null: none runs.
  const void* running_ ABSL_GUARDED_BY(mutex_) = nullptr;
  bool stop_running_ ABSL_GUARDED_BY(mutex_) = false;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  Thread thread_;
};

}  // namespace resnetd
