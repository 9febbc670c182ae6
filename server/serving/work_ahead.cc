#include "server/serving/work_ahead.h"

#include <algorithm>

namespace resnetd {

void WorkAhead::Add(Priority priority, const std::string& identity,
                    Duration work) {
  if (work == Duration::zero()) {
    return;
  }
  const MutexLock lock(mutex_);
  Class& same = classes_[static_cast<std::size_t>(priority)];
  same.total += work;
  const auto at = same.by_identity.try_emplace(identity).first;
  at->second += work;
  if (at->second == Duration::zero()) {
    same.by_identity.erase(at);
  }
}

Duration WorkAhead::Of(Priority priority, const std::string& identity,
                       Duration more) const {
  const MutexLock lock(mutex_);
  Duration work{};
  for (auto i = static_cast<std::size_t>(priority) + 1; i < kPriorities; ++i) {
    work += classes_[i].total;
  }
  const Class& same = classes_[static_cast<std::size_t>(priority)];
  const auto own = same.by_identity.find(identity);
  const Duration mine =
      own == same.by_identity.end() ? Duration::zero() : own->second;
  // The usual case, and the cheap one: nobody else, or nobody has more.
  if (same.total <= mine + more) {
    return work + same.total;
  }
  work += mine;
  for (const auto& [other, theirs] : same.by_identity) {
    if (other != identity) {
      work += std::min(theirs, mine + more);
    }
  }
  return work;
}

Duration WorkAhead::total() const {
  const MutexLock lock(mutex_);
  Duration total{};
  for (const Class& one : classes_) {
    total += one.total;
  }
  return total;
}

}  // namespace resnetd
