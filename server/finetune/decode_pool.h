#pragma once

#include <cstddef>
#include <functional>

#include "server/base/thread_pool.h"

namespace resnetd {

// Threads that help whoever has many pictures to decode. Thread-safe.
class DecodePool {
 public:
  // `threads` >= 1: of one ForEach(), its caller included.
  explicit DecodePool(std::size_t threads);

  // Calls `task` with each of 0 to count - 1, several at a time, in this thread
  // and in those of the pool; returns when all have returned. `task` must not
  // throw.
  void ForEach(std::size_t count,
               const std::function<void(std::size_t index)>& task);

 private:
  ThreadPool pool_;
};

}  // namespace resnetd
