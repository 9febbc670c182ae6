#include "server/models/memory_ledger.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"

namespace resnetd {
namespace {

absl::Status RefusalOf(std::int64_t needed, std::int64_t used,
                       std::int64_t limit) {
  const std::int64_t free = std::max<std::int64_t>(0, limit - used);
  return Error(absl::StatusCode::kResourceExhausted, Reason::kMemoryAdmission,
               absl::StrCat("loading needs about ", needed, " bytes, ", free,
                            " of ", limit,
                            " for models are free: unload versions, or raise "
                            "the limit"))
      .Metadata("needed", absl::StrCat(needed))
      .Metadata("free", absl::StrCat(free))
      .Metadata("limit", absl::StrCat(limit));
}

}  // namespace

std::vector<std::size_t> ChooseEvictions(
    std::int64_t needed, std::int64_t used, std::int64_t limit,
    const std::vector<Evictable>& candidates) {
  if (limit == 0 || needed <= limit - used) {
    return {};
  }
  std::vector<std::size_t> order(candidates.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&candidates](std::size_t a, std::size_t b) {
                     return candidates[a].last_used < candidates[b].last_used;
                   });
  std::vector<std::size_t> chosen;
  for (const std::size_t candidate : order) {
    if (candidates[candidate].requested) {
      continue;
    }
    chosen.push_back(candidate);
    used -= candidates[candidate].bytes;
    if (needed <= limit - used) {
      return chosen;
    }
  }
  return {};
}

MemoryLedger::Loading::~Loading() { ledger_.Change(booked_, {}); }

void MemoryLedger::Loading::Settle(const MemoryUse& taken) {
  ledger_.Change(booked_, taken);
  booked_ = {};
}

bool MemoryLedger::Fits(std::int64_t bytes) const {
  return limit_ == 0 || bytes <= limit_ - use_.total();
}

absl::StatusOr<std::unique_ptr<MemoryLedger::Loading>> MemoryLedger::Admit(
    std::int64_t bytes) {
  const MemoryUse booked{.loading = bytes};
  const MutexLock lock(mutex_);
  if (!Fits(bytes)) {
    return RefusalOf(bytes, use_.total(), limit_);
  }
  use_.loading += bytes;
  return std::unique_ptr<Loading>(new Loading(*this, booked));
}

void MemoryLedger::Release(const MemoryUse& taken) { Change(taken, {}); }

void MemoryLedger::Restate(const MemoryUse& before, const MemoryUse& after) {
  Change(before, after);
}

void MemoryLedger::WaitForRoom(std::int64_t bytes, Duration at_most) {
  const SteadyTime deadline = std::chrono::steady_clock::now() + at_most;
  const MutexLock lock(mutex_);
  while (!Fits(bytes) && std::chrono::steady_clock::now() < deadline) {
    freed_.WaitUntil(mutex_, deadline);
  }
}

MemoryUse MemoryLedger::use() const {
  const MutexLock lock(mutex_);
  return use_;
}

void MemoryLedger::Change(const MemoryUse& before, const MemoryUse& after) {
  {
    const MutexLock lock(mutex_);
    use_.weights += after.weights - before.weights;
    use_.activations += after.activations - before.activations;
    use_.loading += after.loading - before.loading;
  }
  freed_.NotifyAll();
}

}  // namespace resnetd
