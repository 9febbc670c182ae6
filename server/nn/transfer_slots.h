#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "server/base/mutex.h"
#include "server/nn/device_stream.h"

namespace resnetd {

// Where one batch lies while it is on its way: filled by the worker that has
// it, read and written by the device, read by the worker again.
struct TransferSlot {
  at::Tensor host_rows;    // {batch, side, side, 3}, 8-bit, host
  at::Tensor device_rows;  // the same, on the device
  at::Tensor logits;       // {batch, classes}, host
  at::Tensor features;     // {batch, features}, host
};

// A fixed number of slots, lent one at a time. Thread-safe.
class TransferSlots {
 public:
  explicit TransferSlots(std::vector<std::unique_ptr<TransferSlot>> slots);

  // Gives its slot back when it ends.
  class Lent {
   public:
    Lent(TransferSlots& owner, TransferSlot& slot)
        : owner_(owner), slot_(slot) {}
    ~Lent() { owner_.GiveBack(slot_); }
    Lent(const Lent&) = delete;
    Lent& operator=(const Lent&) = delete;
    TransferSlot& slot() { return slot_; }

   private:
    TransferSlots& owner_;
    TransferSlot& slot_;
  };

  // Waits until one is free.
  Lent Borrow() ABSL_LOCKS_EXCLUDED(mutex_);

  // On the device and on the host.
  std::int64_t bytes() const;

 private:
  void GiveBack(TransferSlot& slot) ABSL_LOCKS_EXCLUDED(mutex_);

  const std::vector<std::unique_ptr<TransferSlot>> slots_;
  Mutex mutex_;
  CondVar given_back_;
  std::vector<TransferSlot*> free_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace resnetd
