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
  // Pictures on which float32's logits are finite and these are not.
  int not_finite = 0;
  // Pictures whose class is known, and of them those that it puts first.
  int labelled = 0;
  int correct = 0;

  friend bool operator==(const Agreement&, const Agreement&) = default;

  // 0 without pictures.
  double share() const {
    return pictures == 0
               ? 0.0
               : static_cast<double>(same_top1) / static_cast<double>(pictures);
  }
};

// Rows of `classes` logits; the first of equal ones comes first. Values that
// are not finite agree with nothing and are right on nothing. `labels`: the
// class of each row, negative where it is not known; empty: of none.
Agreement Compare(absl::Span<const float> expected,
                  absl::Span<const float> actual, std::size_t classes,
                  absl::Span<const int> labels = {});

}  // namespace resnetd
