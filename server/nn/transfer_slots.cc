#include "server/nn/transfer_slots.h"

#include <ATen/core/Tensor.h>

#include <utility>

namespace resnetd {

TransferSlots::TransferSlots(std::vector<std::unique_ptr<TransferSlot>> slots)
    : slots_(std::move(slots)) {
  for (const std::unique_ptr<TransferSlot>& slot : slots_) {
    free_.push_back(slot.get());
  }
}

TransferSlots::Lent TransferSlots::Borrow() {
  const MutexLock lock(mutex_);
  while (free_.empty()) {
    given_back_.Wait(mutex_);
  }
  TransferSlot* const slot = free_.back();
  free_.pop_back();
  return Lent(*this, *slot);
}

void TransferSlots::GiveBack(TransferSlot& slot) {
  {
    const MutexLock lock(mutex_);
    free_.push_back(&slot);
  }
  given_back_.NotifyOne();
}

std::int64_t TransferSlots::bytes() const {
  std::size_t total = 0;
  for (const std::unique_ptr<TransferSlot>& slot : slots_) {
    total += slot->host_rows.nbytes() + slot->device_rows.nbytes() +
             slot->logits.nbytes() + slot->features.nbytes();
  }
  return static_cast<std::int64_t>(total);
}

}  // namespace resnetd
