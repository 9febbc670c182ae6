#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <unordered_map>

#include "absl/base/thread_annotations.h"
#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/serving/classify_types.h"

namespace resnetd {

inline constexpr std::size_t kPriorities = 3;

// What all models together have taken and not answered, as time of one worker:
// the workers serve all of them. Thread-safe.
class WorkAhead {
 public:
  // Work of a caller came, or was done (negative). Never more than came.
  void Add(Priority priority, const std::string& identity, Duration work)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // What goes before a request of this caller: all work of higher priorities;
  // of its own priority, its own work and as much of each other caller's, since
  // all get the same. `more` is what the request itself brings and how far the
  // order of deadlines may go beyond equal shares.
  Duration Of(Priority priority, const std::string& identity,
              Duration more) const ABSL_LOCKS_EXCLUDED(mutex_);

  // Of all callers.
  Duration total() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Class {
    Duration total{};
    // Without those that have none.
    std::unordered_map<std::string, Duration> by_identity;
  };

  mutable Mutex mutex_;
  std::array<Class, kPriorities> classes_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace resnetd
