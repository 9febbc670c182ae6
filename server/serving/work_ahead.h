#pragma once

#include <array>
#include <cstddef>

#include "absl/base/thread_annotations.h"
#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/serving/classify_types.h"

namespace resnetd {

inline constexpr std::size_t kPriorities = 3;

// Time of one worker, by priority.
using WorkByPriority = std::array<Duration, kPriorities>;

// What all models together have taken and not answered, as time of one worker:
// the workers serve all of them. Thread-safe.
class WorkAhead {
 public:
  // Adds `now` and takes `before` away.
  void Change(const WorkByPriority& before, const WorkByPriority& now)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Of this priority and of higher ones, which go first.
  Duration Of(Priority priority) const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  mutable Mutex mutex_;
  WorkByPriority work_ ABSL_GUARDED_BY(mutex_){};
};

}  // namespace resnetd
