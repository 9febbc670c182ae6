#include "server/serving/top_k.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>

namespace resnetd {

std::vector<float> Softmax(absl::Span<const float> logits, double temperature) {
  std::vector<float> probabilities(logits.size());
  if (logits.empty()) {
    return probabilities;
  }
  const float largest = *std::max_element(logits.begin(), logits.end());
  // In float, as the logits are: dividing by 1 changes no bit.
  const auto scale = static_cast<float>(temperature);
  double sum = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    probabilities[i] = std::exp((logits[i] - largest) / scale);
    sum += probabilities[i];
  }
  for (float& probability : probabilities) {
    probability = static_cast<float>(probability / sum);
  }
  return probabilities;
}

std::vector<Prediction> TopK(absl::Span<const float> logits,
                             absl::Span<const std::string> labels,
                             std::size_t k, float min_probability,
                             double temperature) {
  const std::vector<float> probabilities = Softmax(logits, temperature);
  std::vector<std::size_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0U);
  // By logit, not by probability: two logits may differ and yet round to one
  // probability.
  std::partial_sort(
      order.begin(), order.begin() + static_cast<std::ptrdiff_t>(k),
      order.end(), [&logits](std::size_t a, std::size_t b) {
        return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
      });
  std::vector<Prediction> predictions;
  predictions.reserve(k);
  for (std::size_t i = 0; i < k; ++i) {
    const std::size_t index = order[i];
    if (probabilities[index] < min_probability) {
      break;
    }
    predictions.push_back({.index = static_cast<int>(index),
                           .label = labels[index],
                           .probability = probabilities[index],
                           .logit = logits[index]});
  }
  return predictions;
}

}  // namespace resnetd
