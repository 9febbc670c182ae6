#include "server/engine/workspaces.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <utility>

#include "server/base/mutex.h"
#include "server/engine/arena.h"
#include "server/engine/execution.h"
#include "server/engine/plan.h"

namespace resnetd {

std::unique_ptr<Workspaces::Workspace> Workspaces::Take() {
  {
    const MutexLock lock(mutex_);
    if (!idle_.empty()) {
      std::unique_ptr<Workspace> workspace = std::move(idle_.back());
      idle_.pop_back();
      return workspace;
    }
  }
  auto workspace = std::make_unique<Workspace>();
  workspace->stream = dnnl::stream(engine_);
  workspace->executions.resize(max_batch_ + 1);
  const MutexLock lock(mutex_);
  idle_.reserve(made_ + 1);
  ++made_;
  return workspace;
}

void Workspaces::Return(std::unique_ptr<Workspace> workspace) {
  const MutexLock lock(mutex_);
  idle_.push_back(std::move(workspace));
}

const Execution& Workspaces::Bind(Workspace& workspace, const Plan& plan,
                                  std::size_t arena_bytes) {
  if (workspace.arena.bytes() < plan.arena_bytes) {
    for (std::unique_ptr<Execution>& execution : workspace.executions) {
      execution.reset();  // bound to the old arena
    }
    bytes_.fetch_sub(static_cast<std::int64_t>(workspace.arena.bytes()),
                     std::memory_order_relaxed);
    workspace.arena = AlignedMemory();
    workspace.arena = AlignedMemory(arena_bytes);
    bytes_.fetch_add(static_cast<std::int64_t>(workspace.arena.bytes()),
                     std::memory_order_relaxed);
  }
  std::unique_ptr<Execution>& execution =
      workspace.executions[static_cast<std::size_t>(plan.batch)];
  if (execution == nullptr) {
    execution =
        std::make_unique<Execution>(engine_, plan, workspace.arena.data());
  }
  return *execution;
}

}  // namespace resnetd
