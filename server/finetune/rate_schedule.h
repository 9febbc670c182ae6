#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "server/finetune/recipe.h"

namespace resnetd {

// Optimiser steps of all phases.
std::int64_t TotalSteps(const Recipe& recipe);

struct PhasePosition {
  std::size_t phase = 0;
  // Of this step within the phase, from 0 on.
  std::int64_t step = 0;
};

// The phase that step `step`, counted from 0, belongs to. Precondition:
// 0 <= step < TotalSteps().
PhasePosition PhaseAt(const Recipe& recipe, std::int64_t step);

// Share of the highest rate that step `step` of `steps` has. With w =
// warmup * steps rounded to an integer: (step + 1) / (w + 1) in the first w
// steps, 1 at step w, and from there half a cosine that would reach 0 at
// `steps`: no step has rate 0.
double RateFactor(RateSchedule schedule, double warmup, std::int64_t steps,
                  std::int64_t step);

// Learning rate of each part at step `step`, 0 for frozen parts. Precondition:
// as PhaseAt().
std::vector<double> RatesAt(const Recipe& recipe, std::int64_t step);

// Auto-RGN (Lee et al. 2023): the rate of each part times its |gradient| /
// |weights|, divided by the largest of these ratios. A part whose weights are
// all 0 has no ratio and keeps its rate; when no ratio is above 0, or `parts`
// is empty, all do. Precondition: norms of each part, or none.
std::vector<double> ScaleByGradients(absl::Span<const double> rates,
                                     absl::Span<const PartNorms> parts);

}  // namespace resnetd
