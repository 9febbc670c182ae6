#pragma once

#include <functional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/base/thread.h"
#include "server/models/model_registry.h"
#include "server/models/replica.h"

namespace resnetd {

// Keeps a replica like its registry, in a thread of its own, until destroyed:
// lists, copies what is new, switches over, waits for the next change. A
// registry that is away, or a version that cannot be had, is tried again after
// a pause that grows to 5 s; what is served stays served meanwhile.
class Follower {
 public:
  // All outlive it. `on_ready` is called once, from the thread of the follower,
  // when for the first time everything is as the registry has it.
  Follower(Registry& registry, Replica& replica, ModelRegistry& models,
           std::function<void()> on_ready);
  ~Follower();
  Follower(const Follower&) = delete;
  Follower& operator=(const Follower&) = delete;

 private:
  void Run();
  // The event that is followed up to.
  absl::StatusOr<std::int64_t> Sync();
  void Report(const absl::Status& error);
  // False: the end has come.
  bool Pause(Duration pause) ABSL_LOCKS_EXCLUDED(mutex_);
  bool is_over() ABSL_LOCKS_EXCLUDED(mutex_);

  Registry& registry_;
  Replica& replica_;
  ModelRegistry& models_;
  std::function<void()> on_ready_;
  // Of the thread alone: whether the last try failed.
  bool has_failed_ = false;
  Mutex mutex_;
  CondVar ended_;
  bool is_over_ ABSL_GUARDED_BY(mutex_) = false;
  Thread thread_;
};

}  // namespace resnetd
