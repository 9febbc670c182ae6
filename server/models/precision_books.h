#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "server/base/mutex.h"
#include "server/models/memory_ledger.h"
#include "server/models/model.h"
#include "server/models/model_events.h"
#include "server/models/model_package.h"
#include "server/models/precision_host.h"
#include "server/models/resident_table.h"

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

// Whom loaded versions ask for memory to try precisions in and for their stored
// weights, and tell what they chose: keeps the ledger and the table true, tells
// the sink. Nothing is freed to make room for a trial. Thread-safe; versions
// may outlive it, and are refused from then on.
class PrecisionBooks {
 public:
  // Reads a version from the store; see PrecisionHost::Read().
  using Reader =
      std::function<absl::StatusOr<ModelPackage>(const VersionFacts& version)>;

  // The references, and what `reader` uses, outlive the books.
  PrecisionBooks(std::shared_ptr<MemoryLedger> ledger, ResidentTable& residents,
                 ModelMetricsSink& sink, Reader reader);
  // Waits for a version that is telling or reading.
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
