#include "server/models/change_listeners.h"

#include <utility>
#include <vector>

namespace resnetd {

// One listener and how many calls of it run.
class ChangeListeners::Entry {
 public:
  explicit Entry(std::function<void()> listener)
      : listener_(std::move(listener)) {}

  void Call() ABSL_LOCKS_EXCLUDED(mutex_) {
    {
      const MutexLock lock(mutex_);
      if (closed_) {
        return;
      }
      ++running_;
    }
    listener_();
    {
      const MutexLock lock(mutex_);
      --running_;
    }
    ended_.NotifyAll();
  }

  void Close() ABSL_LOCKS_EXCLUDED(mutex_) {
    const MutexLock lock(mutex_);
    closed_ = true;
    while (running_ > 0) {
      ended_.Wait(mutex_);
    }
  }

 private:
  const std::function<void()> listener_;
  Mutex mutex_;
  CondVar ended_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  int running_ ABSL_GUARDED_BY(mutex_) = 0;
};

ChangeListeners::Handle::Handle(std::shared_ptr<Entry> entry)
    : entry_(std::move(entry)) {}

ChangeListeners::Handle::~Handle() { entry_->Close(); }

std::unique_ptr<ChangeListeners::Handle> ChangeListeners::Add(
    std::function<void()> listener) {
  auto entry = std::make_shared<Entry>(std::move(listener));
  {
    const MutexLock lock(mutex_);
    entries_.emplace_back(entry);
  }
  return std::make_unique<Handle>(std::move(entry));
}

void ChangeListeners::Notify() {
  std::vector<std::shared_ptr<Entry>> entries;
  {
    const MutexLock lock(mutex_);
    for (auto at = entries_.begin(); at != entries_.end();) {
      if (std::shared_ptr<Entry> entry = at->lock()) {
        entries.push_back(std::move(entry));
        ++at;
      } else {
        at = entries_.erase(at);
      }
    }
  }
  for (const std::shared_ptr<Entry>& entry : entries) {
    entry->Call();
  }
}

}  // namespace resnetd
