#include "server/nn/step_memory.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>

#include <cstddef>
#include <map>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "server/base/mutex.h"

namespace resnetd {
namespace {

// The memory that tensors hold of a pool, by its address: LibTorch frees what
// an operation takes for itself by the address alone. Thread-safe.
class HeldBlocks {
 public:
  struct Block {
    std::shared_ptr<StepMemory::Pool> pool;
    std::size_t bytes = 0;
  };

  // Never destroyed: tensors may be freed until the very end of the process.
  static HeldBlocks& Get() {
    static auto* const blocks = new HeldBlocks();
    return *blocks;
  }

  void Add(void* data, Block&& block) {
    const MutexLock lock(mutex_);
    blocks_.emplace(data, std::move(block));
  }

  // Without a pool when the memory is not of one.
  Block Take(void* data) {
    const MutexLock lock(mutex_);
    const auto found = blocks_.find(data);
    if (found == blocks_.end()) {
      return {};
    }
    Block block = std::move(found->second);
    blocks_.erase(found);
    return block;
  }

 private:
  Mutex mutex_;
  absl::flat_hash_map<void*, Block> blocks_ ABSL_GUARDED_BY(mutex_);
};

// Of memory of any origin.
void FreeByAddress(void* data);

}  // namespace

// Thread-safe. Lives as long as one of its blocks.
class StepMemory::Pool : public std::enable_shared_from_this<Pool> {
 public:
  // When the owner goes: nothing is kept from now on.
  void Close() {
    {
      const MutexLock lock(mutex_);
      is_closed_ = true;
    }
    Release(TakeOut(/*only_unused=*/false));
  }

  c10::DataPtr Allocate(std::size_t bytes) {
    void* data = TakeKept(bytes);
    if (data == nullptr) {
      data = AllocateNew(bytes);
    }
    HeldBlocks::Get().Add(data, {shared_from_this(), bytes});
    return {data, data, &FreeByAddress, c10::Device(c10::kCPU)};
  }

  void TrimUnused() {
    Release(TakeOut(/*only_unused=*/true));
    const MutexLock lock(mutex_);
    ++round_;
  }

  // Takes back what a tensor held.
  void Keep(void* data, std::size_t bytes) {
    {
      const MutexLock lock(mutex_);
      if (!is_closed_) {
        kept_[bytes].push_back({data, round_});
        return;
      }
    }
    c10::free_cpu(data);
  }

  std::int64_t kept_bytes() const {
    const MutexLock lock(mutex_);
    std::size_t bytes = 0;
    for (const auto& [size, kept] : kept_) {
      bytes += size * kept.size();
    }
    return static_cast<std::int64_t>(bytes);
  }

 private:
  struct Kept {
    void* data = nullptr;
    std::uint64_t round = 0;  // when a tensor last gave it back
  };

  // Null when none of this size is kept.
  void* TakeKept(std::size_t bytes) {
    const MutexLock lock(mutex_);
    const auto found = kept_.find(bytes);
    if (found == kept_.end() || found->second.empty()) {
      return nullptr;
    }
    // The last one given back is the likeliest to be in a cache.
    void* data = found->second.back().data;
    found->second.pop_back();
    return data;
  }

  void* AllocateNew(std::size_t bytes) {
    try {
      return c10::alloc_cpu(bytes);
    } catch (const c10::Error&) {
      Release(TakeOut(/*only_unused=*/false));
      return c10::alloc_cpu(bytes);
    }
  }

  std::vector<void*> TakeOut(bool only_unused) {
    const MutexLock lock(mutex_);
    std::vector<void*> out;
    for (auto& [size, kept] : kept_) {
      std::erase_if(kept, [&](const Kept& one) {
        const bool goes = !only_unused || one.round < round_;
        if (goes) {
          out.push_back(one.data);
        }
        return goes;
      });
    }
    return out;
  }

  static void Release(const std::vector<void*>& blocks) {
    for (void* block : blocks) {
      c10::free_cpu(block);
    }
  }

  mutable Mutex mutex_;
  std::map<std::size_t, std::vector<Kept>> kept_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t round_ ABSL_GUARDED_BY(mutex_) = 0;
  bool is_closed_ ABSL_GUARDED_BY(mutex_) = false;
};

namespace {

void FreeByAddress(void* data) {
  if (const HeldBlocks::Block block = HeldBlocks::Get().Take(data);
      block.pool != nullptr) {
    block.pool->Keep(data, block.bytes);
  } else if (data != nullptr) {
    c10::GetDefaultCPUAllocator()->raw_deleter()(data);
  }
}

// Smaller ones stay in the heap of the C library, which keeps them.
constexpr std::size_t kLeastBytes = std::size_t{128} << 10U;

thread_local StepMemory::Pool* current_pool = nullptr;

// LibTorch's own allocator, but for threads with a Scope. Thread-safe.
class ScopedAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(std::size_t bytes) override {
    return current_pool == nullptr || bytes < kLeastBytes
               ? c10::GetDefaultCPUAllocator()->allocate(bytes)
               : current_pool->Allocate(bytes);
  }

  c10::DeleterFnPtr raw_deleter() const override { return &FreeByAddress; }

  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }
};

void InstallOnce() {
  // Never destroyed: tensors may be made until the very end of the process.
  static const ScopedAllocator* const allocator = [] {
    auto* made = new ScopedAllocator();
    c10::SetCPUAllocator(made, /*priority=*/1);
    return made;
  }();
  static_cast<void>(allocator);
}

}  // namespace

StepMemory::StepMemory() : pool_(std::make_shared<Pool>()) { InstallOnce(); }

StepMemory::~StepMemory() { pool_->Close(); }

StepMemory::Scope::Scope(const StepMemory& memory) {
  current_pool = memory.pool_.get();
}

StepMemory::Scope::~Scope() { current_pool = nullptr; }

void StepMemory::TrimUnused() { pool_->TrimUnused(); }

std::int64_t StepMemory::kept_bytes() const { return pool_->kept_bytes(); }

}  // namespace resnetd
