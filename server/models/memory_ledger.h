#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/base/clock.h"
#include "server/base/mutex.h"

namespace resnetd {

// Bytes that loaded versions hold, by what they hold them for.
struct MemoryUse {
  // Parameters as they lie in the file, in float32.
  std::int64_t weights = 0;
  // All else that the loaded networks hold: packed copies, activations,
  // scratch.
  std::int64_t activations = 0;
  // Estimates of the loads that run.
  std::int64_t loading = 0;

  std::int64_t total() const { return weights + activations + loading; }
  friend bool operator==(const MemoryUse&, const MemoryUse&) = default;
};

// A loaded version that could be freed to make room.
struct Evictable {
  std::int64_t bytes = 0;
  SteadyTime last_used{};
  // Somebody asked for it by LoadVersion.
  bool requested = false;
};

// Which of `candidates` to free so that `needed` more bytes fit beside the
// `used` ones under `limit` (0: none): the least recently used first, those
// that were requested never. Indices, in the order to free them; as few as
// reach; empty when all of them together would not.
std::vector<std::size_t> ChooseEvictions(
    std::int64_t needed, std::int64_t used, std::int64_t limit,
    const std::vector<Evictable>& candidates);

// Accounts for the memory of loaded versions against one limit. Thread-safe.
class MemoryLedger {
 public:
  // The estimate of one load in the books, until destroyed or settled. Outlived
  // by the ledger. Not thread-safe.
  class Loading {
   public:
    ~Loading();
    Loading(const Loading&) = delete;
    Loading& operator=(const Loading&) = delete;

    // Replaces the estimate by what the network took, limit or not. That stays
    // in the books until Release(). Once.
    void Settle(const MemoryUse& taken);
    std::int64_t bytes() const { return booked_.total(); }

   private:
    friend class MemoryLedger;
    Loading(MemoryLedger& ledger, MemoryUse booked)
        : ledger_(ledger), booked_(booked) {}

    MemoryLedger& ledger_;
    MemoryUse booked_;
  };

  // `limit` in bytes; 0: none.
  explicit MemoryLedger(std::int64_t limit) : limit_(limit) {}

  // Books `bytes` for a load. RESOURCE_EXHAUSTED (MEMORY_ADMISSION, metadata
  // "needed", "free", "limit").
  absl::StatusOr<std::unique_ptr<Loading>> Admit(std::int64_t bytes)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Takes what was settled out of the books: it was freed.
  void Release(const MemoryUse& taken) ABSL_LOCKS_EXCLUDED(mutex_);
  // What was settled as `before` takes `after` from now on, limit or not.
  void Restate(const MemoryUse& before, const MemoryUse& after)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Waits until `bytes` fit, `at_most` so long.
  void WaitForRoom(std::int64_t bytes, Duration at_most)
      ABSL_LOCKS_EXCLUDED(mutex_);

  MemoryUse use() const ABSL_LOCKS_EXCLUDED(mutex_);
  std::int64_t limit() const { return limit_; }

 private:
  bool Fits(std::int64_t bytes) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Change(const MemoryUse& before, const MemoryUse& after)
      ABSL_LOCKS_EXCLUDED(mutex_);

  const std::int64_t limit_;
  mutable Mutex mutex_;
  CondVar freed_;
  MemoryUse use_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace resnetd
