#include "server/app/readiness.h"

namespace resnetd {

void Readiness::Set(bool ready, const Listener& tell) {
  const MutexLock lock(mutex_);
  if (is_broken_ || is_draining_) {
    return;
  }
  is_ready_ = ready;
  tell(ready);
}

void Readiness::Break(const Listener& tell) {
  const MutexLock lock(mutex_);
  is_broken_ = true;
  is_ready_ = false;
  // Who drains has been told.
  if (!is_draining_) {
    tell(false);
  }
}

void Readiness::Drain(const Listener& tell) {
  const MutexLock lock(mutex_);
  is_draining_ = true;
  is_ready_ = false;
  tell(false);
}

bool Readiness::is_ready() const {
  const MutexLock lock(mutex_);
  return is_ready_;
}

bool Readiness::is_broken() const {
  const MutexLock lock(mutex_);
  return is_broken_;
}

}  // namespace resnetd
