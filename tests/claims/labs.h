#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "server/nn/lab/gradient_lab.h"
#include "server/nn/lab/lab_network.h"
#include "tests/support/digits.h"

namespace resnetd {

// Experiments with the networks of the lab on the digits, for the claims and
// for the bench that prints their numbers.

inline constexpr std::size_t kLabBatch = 64;

// With the weights that its seed begins with.
GradientLab NewLab(const LabSpec& spec, at::ScalarType type = at::kFloat,
                   const OptimizerSettings& optimizer = {});

// The depth ratio of a network that begins, on one batch; in double precision,
// where nothing underflows that is over 1e-150. Infinite when the last block
// gets nothing.
double FirstDepthRatio(const LabSpec& spec, const Digits& digits);

// The signal-to-noise ratio of 64 digits at the stem and at each block when a
// network begins, from `rounds` times eight batches of 64.
std::vector<double> FirstSnr(const LabSpec& spec, const Digits& digits,
                             int rounds = 2);

struct TrainingCurve {
  // Of every step.
  std::vector<double> losses;
  // Mean of the last epoch.
  double last_loss = 0;
  // Share of the held-out digits that are recognised in the end.
  double accuracy = 0;
  bool is_finite = true;
};

// SGD with Nesterov momentum, batches of 64, weight decay 1e-4, half a cosine
// from `rate` to 0. Stops at a step that is not finite.
TrainingCurve TrainDigits(GradientLab& lab, const Digits& digits, int epochs,
                          double rate, std::uint64_t seed);

double HeldOutAccuracy(GradientLab& lab, const Digits& digits);

OptimizerSettings LabOptimizer();

}  // namespace resnetd
