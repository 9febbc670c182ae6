#pragma once

#include <functional>
#include <list>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "server/base/mutex.h"

namespace resnetd {

// Who wants to know that something was committed. Thread-safe.
class ChangeListeners {
 public:
  class Entry;
  // Ends listening when destroyed, which waits for a call that runs: never
  // destroy one from within its own listener. May outlive the listeners.
  class Handle {
   public:
    explicit Handle(std::shared_ptr<Entry> entry);
    ~Handle();
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;

   private:
    const std::shared_ptr<Entry> entry_;
  };

  std::unique_ptr<Handle> Add(std::function<void()> listener)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Calls every listener, one after the other, on this thread.
  void Notify() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  Mutex mutex_;
  std::list<std::weak_ptr<Entry>> entries_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace resnetd
