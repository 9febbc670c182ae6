#pragma once

#include <chrono>
#include <functional>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "server/base/error.h"
#include "server/base/mutex.h"

namespace resnetd {

// The long calls of a fake: a test can hold them up, let them go, and wait
// until they are where it wants them. Thread-safe.
class HeldCalls {
 public:
  // From here on calls go on until they are not wanted any more, or Release().
  void Hold() {
    const MutexLock lock(mutex_);
    held_ = true;
  }
  void Release() {
    const MutexLock lock(mutex_);
    held_ = false;
    changed_.NotifyAll();
  }
  // Waits until so many calls have begun, or ended.
  void AwaitBegun(int calls) {
    const MutexLock lock(mutex_);
    while (begun_ < calls) {
      changed_.Wait(mutex_);
    }
  }
  void AwaitEnded(int calls) {
    const MutexLock lock(mutex_);
    while (ended_ < calls) {
      changed_.Wait(mutex_);
    }
  }
  int begun() {
    const MutexLock lock(mutex_);
    return begun_;
  }

  // One call. CANCELLED: `go_on` said no while it was held up.
  absl::Status Run(const std::function<bool()>& go_on) {
    const MutexLock lock(mutex_);
    ++begun_;
    changed_.NotifyAll();
    while (held_ && go_on()) {
      changed_.WaitUntil(mutex_, std::chrono::steady_clock::now() +
                                     std::chrono::milliseconds(1));
    }
    ++ended_;
    changed_.NotifyAll();
    if (held_) {
      return Error(absl::StatusCode::kCancelled, Reason::kCancelled,
                   "not wanted any more");
    }
    return absl::OkStatus();
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  bool held_ ABSL_GUARDED_BY(mutex_) = false;
  int begun_ ABSL_GUARDED_BY(mutex_) = 0;
  int ended_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace resnetd
