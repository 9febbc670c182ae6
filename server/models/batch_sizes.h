#pragma once

#include <cstddef>
#include <vector>

#include "absl/types/span.h"

namespace resnetd {

// The batch sizes that a device records a graph for: those of `allowed`, which
// rises, below `max_batch`, and `max_batch` itself, ascending. Where nothing is
// allowed in particular the powers of two: a batch of another size runs as the
// next larger one, so that less than half of what is computed is padding.
// Precondition: max_batch >= 1.
std::vector<std::size_t> GraphBatchSizes(
    std::size_t max_batch, absl::Span<const std::size_t> allowed = {});

// Rows that the network computes for a batch of `images`: the smallest of
// `allowed` that holds them. What is more than there are images is filled up,
// and its results are dropped. `allowed` rises; empty: any size will do. Beyond
// the largest: as many as there are images.
std::size_t RowsOf(std::size_t images, absl::Span<const std::size_t> allowed);

}  // namespace resnetd
