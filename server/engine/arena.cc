#include "server/engine/arena.h"

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <new>
#include <numeric>
#include <vector>

#include "absl/types/span.h"

namespace resnetd {
namespace {

std::size_t RoundUp(std::size_t bytes) {
  return (bytes + kArenaAlignment - 1) / kArenaAlignment * kArenaAlignment;
}

bool LiveTogether(const BufferLife& a, const BufferLife& b) {
  return a.first <= b.last && b.first <= a.last;
}

}  // namespace

ArenaPlan PlanArena(absl::Span<const BufferLife> lives) {
  std::vector<std::size_t> order(lives.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) {
                     return lives[a].bytes > lives[b].bytes;
                   });
  ArenaPlan plan;
  plan.offsets.resize(lives.size());
  std::vector<std::size_t> placed;  // in order of their offsets
  for (const std::size_t buffer : order) {
    const std::size_t bytes = RoundUp(lives[buffer].bytes);
    std::size_t offset = 0;
    for (const std::size_t other : placed) {
      if (!LiveTogether(lives[buffer], lives[other])) {
        continue;
      }
      if (plan.offsets[other] >= offset + bytes) {
        break;  // fits before it
      }
      offset =
          std::max(offset, plan.offsets[other] + RoundUp(lives[other].bytes));
    }
    plan.offsets[buffer] = offset;
    plan.bytes = std::max(plan.bytes, offset + bytes);
    const auto after =
        std::upper_bound(placed.begin(), placed.end(), offset,
                         [&](std::size_t value, std::size_t other) {
                           return value < plan.offsets[other];
                         });
    placed.insert(after, buffer);
  }
  return plan;
}

AlignedMemory::AlignedMemory(std::size_t bytes) : bytes_(RoundUp(bytes)) {
  if (bytes_ == 0) {
    return;
  }
  data_.reset(
      static_cast<std::byte*>(std::aligned_alloc(kArenaAlignment, bytes_)));
  if (data_ == nullptr) {
    throw std::bad_alloc();
  }
}

}  // namespace resnetd
