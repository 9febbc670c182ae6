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

// The phase of a recipe with auto_rgn after its gradients are known: the rate
// of each trained part times ratios[i] / the largest ratio of a trained part.
// Ratios are |gradient| / |weights| of the parts, >= 0; when none is above 0
// the phase stays as it is. Precondition: one ratio per part.
TrainingPhase ScaleByGradients(const TrainingPhase& phase,
                               absl::Span<const double> ratios);

}  // namespace resnetd
