#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "server/base/mutex.h"
#include "server/engine/arena.h"
#include "server/engine/execution.h"
#include "server/engine/plan.h"

namespace resnetd {

// What concurrent calls of one model work in: a stream, and an arena that all
// its plans share. Workspaces are kept, so that there are as many as calls ever
// ran at once. Thread-safe; throws dnnl::error and std::bad_alloc.
class Workspaces {
  struct Workspace {
    dnnl::stream stream;
    AlignedMemory arena;
    // By batch size; absent until used.
    std::vector<std::unique_ptr<Execution>> executions;
  };

 public:
  // Plans are for 1 to `max_batch` pictures.
  Workspaces(const dnnl::engine& engine, std::size_t max_batch)
      : engine_(engine), max_batch_(max_batch) {}

  // A workspace for the length of a call; goes back however the call ends. For
  // one thread.
  class Lease {
   public:
    explicit Lease(Workspaces& pool) : pool_(pool), workspace_(pool.Take()) {}
    ~Lease() { pool_.Return(std::move(workspace_)); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;

    // `plan` in this workspace, whose arena then has `arena_bytes` or more,
    // plan.arena_bytes at least. The plan outlives the pool.
    const Execution& Bind(const Plan& plan, std::size_t arena_bytes) {
      return pool_.Bind(*workspace_, plan, arena_bytes);
    }
    const dnnl::stream& stream() const { return workspace_->stream; }
    // Until what was given to the stream is done.
    void Wait() { workspace_->stream.wait(); }

   private:
    Workspaces& pool_;
    std::unique_ptr<Workspace> workspace_;
  };

  // Of all arenas.
  std::int64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

 private:
  std::unique_ptr<Workspace> Take() ABSL_LOCKS_EXCLUDED(mutex_);
  // Does not throw.
  void Return(std::unique_ptr<Workspace> workspace) ABSL_LOCKS_EXCLUDED(mutex_);
  const Execution& Bind(Workspace& workspace, const Plan& plan,
                        std::size_t arena_bytes);

  const dnnl::engine engine_;
  const std::size_t max_batch_;
  std::atomic<std::int64_t> bytes_{0};

  Mutex mutex_;
  std::vector<std::unique_ptr<Workspace>> idle_ ABSL_GUARDED_BY(mutex_);
  // Idle and in use; idle_ has room for all of them.
  std::size_t made_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace resnetd
