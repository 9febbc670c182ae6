#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/functional/function_ref.h"

namespace resnetd {

// Calls `body` once with each number from 0 to count - 1, on the threads that
// LibTorch computes with, which the calling thread is one of; on that alone
// within an operation of LibTorch. `body` must not throw. May throw c10::Error.
void ParallelFor(std::int64_t count,
                 absl::FunctionRef<void(std::int64_t)> body);

// Values that one thread looks at at a time: 256 KiB of float32.
inline constexpr std::int64_t kChunk = std::int64_t{1} << 16;

// The sum of what `of(first, count)` tells of each chunk of `count` values, in
// their order, whatever the threads. `of` must not throw.
template <typename Sum, typename Of>
Sum SumOverChunks(std::int64_t count, Of of) {
  if (count <= kChunk) {
    return of(0, static_cast<std::size_t>(count));
  }
  std::vector<Sum> sums(static_cast<std::size_t>((count - 1) / kChunk + 1));
  ParallelFor(static_cast<std::int64_t>(sums.size()), [&](std::int64_t i) {
    const std::int64_t first = i * kChunk;
    sums[static_cast<std::size_t>(i)] =
        of(first, static_cast<std::size_t>(std::min(kChunk, count - first)));
  });
  Sum all{};
  for (const Sum& of_chunk : sums) {
    all += of_chunk;
  }
  return all;
}

}  // namespace resnetd
