#pragma once

#include <cstddef>
#include <vector>

#include "absl/types/span.h"

namespace resnetd::cli {

// What one request may hold. The server takes 256 images and 64 MiB by
// default; smaller requests start to be computed earlier and leave room for
// the message around the images.
struct BatchLimits {
  std::size_t max_images = 32;
  std::size_t max_bytes = std::size_t{48} << 20U;
};

// Images [first, first + count) of the list travel in one request.
struct Batch {
  std::size_t first = 0;
  std::size_t count = 0;

  friend bool operator==(const Batch&, const Batch&) = default;
};

// Splits images of the given sizes, in order, into as few requests as a greedy
// walk finds. An image over `max_bytes` travels alone.
std::vector<Batch> PlanBatches(absl::Span<const std::size_t> image_bytes,
                               const BatchLimits& limits);

}  // namespace resnetd::cli
