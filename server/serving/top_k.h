#pragma once

#include <string>
#include <vector>

#include "absl/types/span.h"
#include "server/serving/classify_types.h"

namespace resnetd {

// Softmax of `logits`, in class order: exp(l - max) / sum, summed in double so
// that 1,000 classes cost no digits.
std::vector<float> Softmax(absl::Span<const float> logits);

// The `k` most probable classes with a probability of at least
// `min_probability`, best first; equal ones in class order.
// Precondition: one label per logit; 1 <= k <= logits.size().
std::vector<Prediction> TopK(absl::Span<const float> logits,
                             absl::Span<const std::string> labels,
                             std::size_t k, float min_probability);

}  // namespace resnetd
