#include "server/base/thread_pool.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace resnetd {

ThreadPool::ThreadPool(Options options) : options_(std::move(options)) {
  workers_.reserve(options_.threads);
  for (std::size_t i = 0; i < options_.threads; ++i) {
    workers_.emplace_back(absl::StrCat(options_.name, "-", i),
                          [this] { Work(); });
  }
}

ThreadPool::~ThreadPool() {
  {
    const MutexLock lock(mutex_);
    closed_ = true;
  }
  changed_.NotifyAll();
  workers_.clear();
}

bool ThreadPool::TrySubmit(std::function<void()> task) {
  {
    const MutexLock lock(mutex_);
    if (closed_ || tasks_.size() >= options_.queue_limit) {
      return false;
    }
    tasks_.push_back(std::move(task));
  }
  changed_.NotifyOne();
  return true;
}

std::size_t ThreadPool::queued() const {
  const MutexLock lock(mutex_);
  return tasks_.size();
}

void ThreadPool::Work() {
  while (true) {
    std::function<void()> task;
    {
      const MutexLock lock(mutex_);
      while (tasks_.empty() && !closed_) {
        changed_.Wait(mutex_);
      }
      if (tasks_.empty()) {
        return;
      }
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    task();
  }
}

}  // namespace resnetd
