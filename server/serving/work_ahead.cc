#include "server/serving/work_ahead.h"

#include <algorithm>

namespace resnetd {

void WorkAhead::Change(const WorkByPriority& before,
                       const WorkByPriority& now) {
  const MutexLock lock(mutex_);
  for (std::size_t i = 0; i < kPriorities; ++i) {
    work_[i] += now[i] - before[i];
  }
}

Duration WorkAhead::Of(Priority priority) const {
  const MutexLock lock(mutex_);
  Duration work{};
  for (auto i = static_cast<std::size_t>(priority); i < kPriorities; ++i) {
    work += work_[i];
  }
  return work;
}

}  // namespace resnetd
