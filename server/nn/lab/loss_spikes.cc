#include "server/nn/lab/loss_spikes.h"

#include <algorithm>
#include <cmath>

namespace resnetd {
namespace {

// Precondition: not empty.
double MedianOf(std::vector<double> values) {
  const auto middle =
      values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) {
    return *middle;
  }
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

}  // namespace

std::vector<std::size_t> LossSpikes(absl::Span<const double> losses) {
  std::vector<std::size_t> spikes;
  std::vector<double> window;
  for (std::size_t i = 0; i < losses.size(); ++i) {
    if (!std::isfinite(losses[i])) {
      spikes.push_back(i);
      continue;
    }
    if (window.size() >= kLeastSpikeWindow) {
      const double median = MedianOf(window);
      std::vector<double> deviations = window;
      for (double& value : deviations) {
        value = std::fabs(value - median);
      }
      if (losses[i] >
          median + kSpikeDeviations * MedianOf(std::move(deviations))) {
        spikes.push_back(i);
      }
    }
    window.push_back(losses[i]);
    if (window.size() > kSpikeWindow) {
      window.erase(window.begin());
    }
  }
  return spikes;
}

}  // namespace resnetd
