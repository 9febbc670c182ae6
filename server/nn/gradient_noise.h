#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "absl/types/span.h"
#include "server/finetune/gradient_sample.h"
#include "server/nn/loss.h"

namespace resnetd {

// The parts that a batch of `examples` is taken in to see how noisy its
// gradient is: up to kNoiseBatches, as even as they can be, each of at least
// `least` > 0 examples. Empty: it is too small for two.
std::vector<Rows> NoiseParts(std::size_t examples, std::size_t least);

// One part of the examples of a step.
struct NoisePart {
  int examples = 0;
  // Of its share of the gradient: the shares of all parts add up to it.
  double squared_norm = 0;
};

// From K parts with B examples in all, whose gradient has the squared norm
// `whole`. Parts may differ in size, and the estimates are unbiased all the
// same: with b = B / K and means over the parts that are weighted by their
// sizes b_k, the formulas of GradientNoise hold as they stand, since the mean
// of |g_k|^2 is |G|^2 + trace / b then. g_k is the share of part k times
// B / b_k. With weights of classes the gradient of an example is that of its
// weighted loss over the mean weight.
//
// nullopt: fewer than two parts, one without examples, or a number that is not
// finite.
std::optional<GradientNoise> EstimateNoise(absl::Span<const NoisePart> parts,
                                           double whole);

}  // namespace resnetd
