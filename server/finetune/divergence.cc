#include "server/finetune/divergence.h"

#include <algorithm>
#include <cmath>

namespace resnetd {
namespace {

constexpr double kGrowth = 4;
constexpr double kOverGuessing = 2;

double MedianOf(std::vector<double> values) {
  const auto middle =
      values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

DivergenceMonitor::DivergenceMonitor(int classes)
    : guessing_(std::log(static_cast<double>(std::max(classes, 2)))) {}

bool DivergenceMonitor::Add(double loss) {
  if (last_.size() < kWindow) {
    last_.push_back(loss);
  } else {
    last_[seen_ % kWindow] = loss;
  }
  ++seen_;
  if (seen_ == kWindow) {
    first_median_ = MedianOf(last_);
  }
  if (seen_ < 2 * kWindow) {
    return false;
  }
  const double median = MedianOf(last_);
  return median > kGrowth * first_median_ && median > kOverGuessing * guessing_;
}

void DivergenceMonitor::Forget() {
  first_median_ = 0;
  seen_ = 0;
  last_.clear();
}

}  // namespace resnetd
