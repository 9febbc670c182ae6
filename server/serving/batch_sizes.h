#pragma once

#include <algorithm>
#include <cstddef>

#include "absl/types/span.h"

namespace resnetd {

// Rows that the network computes for a batch of `images`: the smallest of
// `allowed` that holds them. What is more than there are images is filled up
// with one of them, and its results are dropped. `allowed` rises; empty: any
// size will do. Beyond the largest: as many as there are images.
inline std::size_t RowsOf(std::size_t images,
                          absl::Span<const std::size_t> allowed) {
  const auto* const rows =
      std::lower_bound(allowed.begin(), allowed.end(), images);
  return rows == allowed.end() ? images : *rows;
}

}  // namespace resnetd
