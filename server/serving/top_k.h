#pragma once

#include <string>
#include <vector>

#include "absl/types/span.h"
#include "server/serving/classify_types.h"

namespace resnetd {

// Softmax of `logits` / `temperature`, in class order: exp((l - max) / t) /
// sum, summed in double so that 1,000 classes cost no digits.
// Precondition: temperature > 0.
std::vector<float> Softmax(absl::Span<const float> logits,
                           double temperature = 1);

// The `k` most probable classes with a probability of at least
// `min_probability`, best first; equal ones in class order. The logits in the
// answer are those of the network, whatever the temperature.
// Precondition: one label per logit; 1 <= k <= logits.size(); temperature > 0.
std::vector<Prediction> TopK(absl::Span<const float> logits,
                             absl::Span<const std::string> labels,
                             std::size_t k, float min_probability,
                             double temperature = 1);

}  // namespace resnetd
