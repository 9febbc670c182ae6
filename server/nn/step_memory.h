#pragma once

#include <cstdint>
#include <memory>

namespace resnetd {

// Keeps the memory of large tensors from one training step for the next, which
// needs the same sizes again. Otherwise the C library gives it back to the
// kernel and every step takes it anew, page by page: 7 % of the CPU time of a
// step of ResNet-18.
//
// Scope and TrimUnused() on one thread at a time; tensors may be freed
// anywhere, also after this is gone. Not thread-safe beyond that.
class StepMemory {
 public:
  // The first one in the process makes itself LibTorch's allocator on the CPU,
  // which does as before for threads without a Scope.
  StepMemory();
  // Gives back what no tensor holds; the rest follows with its tensor.
  ~StepMemory();
  StepMemory(const StepMemory&) = delete;
  StepMemory& operator=(const StepMemory&) = delete;

  // While it lives, tensors of at least 128 KiB that the calling thread makes
  // on the CPU take their memory from here. When there is none left, all that
  // is kept is given back before c10::Error is thrown.
  class Scope {
   public:
    explicit Scope(const StepMemory& memory);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
  };

  // Gives back what no tensor has taken since the last call: after each step.
  void TrimUnused();

  // Kept for the next tensor, in bytes.
  std::int64_t kept_bytes() const;

  class Pool;

 private:
  const std::shared_ptr<Pool> pool_;
};

}  // namespace resnetd
