#pragma once

#include <cstddef>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"

namespace resnetd {

// What a plan answered when it was chosen, kept with the choice: it has to
// answer that again as long as it is served, and so has a later load of the
// same plan on the same CPU. It finds a plan that computes something else
// (another library under the same name, a calibration that was damaged, a
// kernel that differs) before it answers anybody.

// All of a thousand classes; of more the first ones say it as well.
inline constexpr std::size_t kMostKeptLogits = 4096;

// Of golden logits those that are kept.
std::vector<float> KeptLogits(absl::Span<const float> golden);

// Equal plans answer bit for bit alike on one machine; this is what a reordered
// sum may change, as a share of the largest logit kept.
inline constexpr double kKeptTolerance = 1e-3;

// OK when `golden` begins with `kept`. DATA_LOSS (GOLDEN_MISMATCH): it does
// not, or nothing was kept.
absl::Status CheckKeptLogits(absl::Span<const float> kept,
                             absl::Span<const float> golden);

}  // namespace resnetd
