#pragma once

#include <cstddef>

#include "absl/types/span.h"

namespace resnetd {

// How far the logits of one precision are those of float32.
struct Agreement {
  int pictures = 0;
  // Of them: the same class comes first.
  int same_top1 = 0;
  // Average over the pictures of the largest difference as a share of the
  // largest logit (by magnitude).
  double error = 0;

  friend bool operator==(const Agreement&, const Agreement&) = default;

  // 0 without pictures.
  double share() const {
    return pictures == 0
               ? 0.0
               : static_cast<double>(same_top1) / static_cast<double>(pictures);
  }
};

// Rows of `classes` logits; the first of equal ones comes first. Values that
// are not finite agree with nothing.
Agreement Compare(absl::Span<const float> expected,
                  absl::Span<const float> actual, std::size_t classes);

}  // namespace resnetd
