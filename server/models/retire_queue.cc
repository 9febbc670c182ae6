#include "server/models/retire_queue.h"

#include <utility>

#include "absl/base/thread_annotations.h"
#include "server/base/mutex.h"
#include "server/base/thread.h"

namespace resnetd {
namespace {

// A version with its place in the list, so that dropping it takes no memory and
// cannot fail.
struct Guarded {
  ServedVersion version;
  std::function<void()> freed;
  Guarded* next = nullptr;
};

void FreeAndTell(std::unique_ptr<Guarded> guarded) {
  const std::function<void()> freed = std::move(guarded->freed);
  guarded.reset();
  if (freed) {
    freed();
  }
}

}  // namespace

// Lives as long as the queue or a handle.
class RetireQueue::Shared {
 public:
  void Drop(std::unique_ptr<Guarded> guarded) ABSL_LOCKS_EXCLUDED(mutex_) {
    // What is not listed is destroyed after the lock is released.
    {
      const MutexLock lock(mutex_);
      if (!closed_) {
        Guarded* const listed = guarded.release();
        listed->next = std::exchange(dropped_, listed);
      }
    }
    changed_.NotifyOne();
  }

  // Ends Work() once the list is empty.
  void Close() ABSL_LOCKS_EXCLUDED(mutex_) {
    {
      const MutexLock lock(mutex_);
      closed_ = true;
    }
    changed_.NotifyOne();
  }

  void Work() ABSL_LOCKS_EXCLUDED(mutex_) {
    while (Guarded* list = Take()) {
      while (list != nullptr) {
        Guarded* const next = list->next;
        FreeAndTell(std::unique_ptr<Guarded>(list));
        list = next;
      }
    }
  }

 private:
  // Waits for versions; null: closed.
  Guarded* Take() ABSL_LOCKS_EXCLUDED(mutex_) {
    const MutexLock lock(mutex_);
    while (dropped_ == nullptr && !closed_) {
      changed_.Wait(mutex_);
    }
    return std::exchange(dropped_, nullptr);
  }

  Mutex mutex_;
  CondVar changed_;
  Guarded* dropped_ ABSL_GUARDED_BY(mutex_) = nullptr;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

struct RetireQueue::Worker {
  Thread thread;
};

RetireQueue::RetireQueue()
    : shared_(std::make_shared<Shared>()),
      worker_(std::make_unique<Worker>(
          Worker{Thread("retire", [shared = shared_] { shared->Work(); })})) {}

RetireQueue::~RetireQueue() { shared_->Close(); }

ModelHandle RetireQueue::Guard(ServedVersion version,
                               std::function<void()> freed) {
  auto guarded = std::make_unique<Guarded>(
      Guarded{.version = std::move(version), .freed = std::move(freed)});
  const ServedVersion* const seen = &guarded->version;
  // Owns by the deleter, shows the version: the deleter runs with the last
  // copy.
  const std::shared_ptr<Guarded> owner(
      guarded.release(), [shared = shared_](Guarded* dropped) {
        shared->Drop(std::unique_ptr<Guarded>(dropped));
      });
  return {owner, seen};
}

}  // namespace resnetd
