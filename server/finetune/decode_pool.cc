#include "server/finetune/decode_pool.h"

#include <algorithm>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "server/base/mutex.h"

namespace resnetd {
namespace {

// One ForEach(). Helpers that come too late find nothing left; they keep it
// alive, but not `task_`, which they then never call.
class Work {
 public:
  Work(std::size_t count, const std::function<void(std::size_t)>& task)
      : count_(count), task_(task) {}

  void Help() ABSL_LOCKS_EXCLUDED(mutex_) {
    for (std::size_t index = 0; Take(index);) {
      task_(index);
      MutexLock lock(mutex_);
      if (++done_ == count_) {
        finished_.NotifyAll();
      }
    }
  }

  void Wait() ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    while (done_ < count_) {
      finished_.Wait(mutex_);
    }
  }

 private:
  bool Take(std::size_t& index) ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    index = next_;
    next_ = std::min(next_ + 1, count_);
    return index < count_;
  }

  const std::size_t count_;
  const std::function<void(std::size_t)>& task_;
  Mutex mutex_;
  CondVar finished_;
  std::size_t next_ ABSL_GUARDED_BY(mutex_) = 0;
  std::size_t done_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace

DecodePool::DecodePool(std::size_t threads)
    : pool_({.name = "data-decode",
             .threads = std::max<std::size_t>(threads, 2) - 1}) {}

void DecodePool::ForEach(std::size_t count,
                         const std::function<void(std::size_t)>& task) {
  const auto work = std::make_shared<Work>(count, task);
  for (std::size_t i = 1; i < std::min(count, pool_.threads() + 1); ++i) {
    // A full queue has enough to do without us.
    if (!pool_.TrySubmit([work] { work->Help(); })) {
      break;
    }
  }
  work->Help();
  work->Wait();
}

}  // namespace resnetd
