#pragma once

#include <csignal>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "server/base/mutex.h"

namespace resnetd {

// The request to end, SIGTERM or SIGINT. While the program starts it ends the
// process at once, with exit status 0: nobody was promised anything yet, what
// is on disk stands a crash at any moment, and loading models may take longer
// than whoever asked will wait. Afterwards, and where the process asks itself,
// which has its reason and an exit code for it, it wakes Await().
//
// One per process, made in the main thread before there are others, which block
// both signals from then on. Thread-safe.
class EndSignal {
 public:
  EndSignal();
  // Of a start that failed, or after Await().
  ~EndSignal();
  EndSignal(const EndSignal&) = delete;
  EndSignal& operator=(const EndSignal&) = delete;

  // The start is over: from now on the caller ends the program, in order.
  void Started() ABSL_LOCKS_EXCLUDED(mutex_);
  // Returns when a signal has come. After it a further one ends the process at
  // once, by its default action. After Started(), once.
  void Await() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Listen() ABSL_LOCKS_EXCLUDED(mutex_);

  sigset_t signals_;
  Mutex mutex_;
  CondVar changed_;
  bool is_started_ ABSL_GUARDED_BY(mutex_) = false;
  // Nobody waits for a signal any more.
  bool is_closed_ ABSL_GUARDED_BY(mutex_) = false;
  bool has_come_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread listener_;
};

}  // namespace resnetd
