#pragma once

#include <functional>
#include <memory>

#include "server/models/model.h"

namespace resnetd {

// Frees versions on a thread of its own, "retire": a network takes
// milliseconds to free, which neither a batch worker nor a gRPC thread has.
//
// Guard() makes the handle; whoever drops its last copy, wherever, only links
// the version into a list. What is dropped once the queue is gone is freed
// where it is dropped, and nobody is told. Thread-safe.
class RetireQueue {
 public:
  RetireQueue();
  // Frees what is in the list, then ends the thread.
  ~RetireQueue();
  RetireQueue(const RetireQueue&) = delete;
  RetireQueue& operator=(const RetireQueue&) = delete;

  // `freed` runs right after the version was freed, on the thread "retire", not
  // after the queue's end.
  ModelHandle Guard(ServedVersion version, std::function<void()> freed);

 private:
  class Shared;
  const std::shared_ptr<Shared> shared_;
  struct Worker;
  std::unique_ptr<Worker> worker_;
};

}  // namespace resnetd
