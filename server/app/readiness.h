#pragma once

#include <functional>

#include "absl/base/thread_annotations.h"
#include "server/base/mutex.h"

namespace resnetd {

// Whether a server is ready: decided by its start, by a device that breaks and
// by the drain, which come in any order and from threads of their own.
// Thread-safe.
class Readiness {
 public:
  // Told what is so from now on, from within the call that made it so, one
  // after the other; must not call this object.
  using Listener = std::function<void(bool ready)>;

  // Ready, or not, as far as nothing below came before: then nobody is told.
  void Set(bool ready, const Listener& tell) ABSL_LOCKS_EXCLUDED(mutex_);
  // Not ready, for ever: it cannot do its work.
  void Break(const Listener& tell) ABSL_LOCKS_EXCLUDED(mutex_);
  // Not ready, for ever: it ends.
  void Drain(const Listener& tell) ABSL_LOCKS_EXCLUDED(mutex_);

  bool is_ready() const ABSL_LOCKS_EXCLUDED(mutex_);
  bool is_broken() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  mutable Mutex mutex_;
  bool is_ready_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_broken_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_draining_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace resnetd
