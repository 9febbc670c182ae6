#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <vector>

#include "absl/types/span.h"

namespace resnetd {

// A cache line, and the widest vector.
inline constexpr std::size_t kArenaAlignment = 64;

// A piece of memory that is needed from step `first` to step `last`, both
// included.
struct BufferLife {
  std::size_t bytes = 0;
  std::size_t first = 0;
  std::size_t last = 0;
};

// Where each buffer lies in one block of `bytes`.
struct ArenaPlan {
  std::vector<std::size_t> offsets;
  std::size_t bytes = 0;
};

// Places the buffers so that two that live at the same time never overlap:
// largest first, each at the lowest free offset. Pure.
ArenaPlan PlanArena(absl::Span<const BufferLife> lives);

// Uninitialised memory, aligned to kArenaAlignment. Pages that are never
// written cost nothing. Not thread-safe.
class AlignedMemory {
 public:
  AlignedMemory() = default;
  // Throws std::bad_alloc.
  explicit AlignedMemory(std::size_t bytes);

  std::byte* data() const { return data_.get(); }
  std::size_t bytes() const { return bytes_; }

 private:
  struct Free {
    void operator()(std::byte* data) const { std::free(data); }
  };
  std::unique_ptr<std::byte, Free> data_;
  std::size_t bytes_ = 0;
};

}  // namespace resnetd
