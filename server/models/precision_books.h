#pragma once

#include <cstdint>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "server/base/mutex.h"
#include "server/models/memory_ledger.h"
#include "server/models/model.h"
#include "server/models/model_events.h"
#include "server/models/precision_report.h"

namespace resnetd {

// What one loaded version has in the ledger; changes when its precision does.
// Thread-safe.
class HeldMemory {
 public:
  explicit HeldMemory(const MemoryUse& use) : use_(use) {}
  MemoryUse use() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Answers what it was.
  MemoryUse Exchange(const MemoryUse& use) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  mutable Mutex mutex_;
  MemoryUse use_ ABSL_GUARDED_BY(mutex_);
};

// Whom loaded versions ask for memory to try precisions in, and tell what they
// hold afterwards: keeps the ledger true, tells the sink. Nothing is freed to
// make room for a trial. Thread-safe; versions may outlive it, and are refused
// from then on.
class PrecisionBooks {
 public:
  // `sink` outlives the books.
  PrecisionBooks(std::shared_ptr<MemoryLedger> ledger, ModelMetricsSink& sink);
  // Waits for a version that is telling.
  ~PrecisionBooks();
  PrecisionBooks(const PrecisionBooks&) = delete;
  PrecisionBooks& operator=(const PrecisionBooks&) = delete;

  // For `version`, which owns the host by its model.
  std::unique_ptr<PrecisionHost> HostOf(const ServedVersion& version,
                                        std::shared_ptr<HeldMemory> held);

 private:
  class Core;
  class Host;
  class Room;

  const std::shared_ptr<Core> core_;
};

}  // namespace resnetd
