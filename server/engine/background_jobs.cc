#include "server/engine/background_jobs.h"

#include <sys/resource.h>

#include <algorithm>
#include <utility>

#include "server/base/mutex.h"
#include "server/base/thread.h"

namespace resnetd {
namespace {

constexpr int kNice = 10;

}  // namespace

BackgroundJobs::BackgroundJobs() : thread_("precision", [this] { Work(); }) {}

BackgroundJobs::~BackgroundJobs() {
  {
    const MutexLock lock(mutex_);
    closed_ = true;
    stop_running_ = true;
    waiting_.clear();
  }
  changed_.NotifyAll();
}

void BackgroundJobs::Add(const void* owner, Job job) {
  {
    const MutexLock lock(mutex_);
    waiting_.push_back({owner, std::move(job)});
  }
  changed_.NotifyAll();
}

void BackgroundJobs::Remove(const void* owner) {
  const MutexLock lock(mutex_);
  waiting_.erase(std::remove_if(waiting_.begin(), waiting_.end(),
                                [owner](const Entry& entry) {
                                  return entry.owner == owner;
                                }),
                 waiting_.end());
  while (running_ == owner) {
    stop_running_ = true;
    changed_.Wait(mutex_);
  }
}

void BackgroundJobs::Work() {
  // On Linux the priority of this thread, and of the team that it makes.
  setpriority(PRIO_PROCESS, 0, kNice);
  const Stopped stopped = [this] {
    const MutexLock lock(mutex_);
    return stop_running_;
  };
  while (true) {
    Job job;
    {
      const MutexLock lock(mutex_);
      running_ = nullptr;
      changed_.NotifyAll();
      while (waiting_.empty() && !closed_) {
        changed_.Wait(mutex_);
      }
      if (closed_) {
        return;
      }
      running_ = waiting_.front().owner;
      job = std::move(waiting_.front().job);
      waiting_.pop_front();
      stop_running_ = false;
    }
    job(stopped);
  }
}

}  // namespace resnetd
