#pragma once

#include <cstddef>
#include <vector>

namespace resnetd {

// Whether a loss runs away: the median of the last kWindow losses is over 4
// times that of the first kWindow, and over twice the loss of guessing. What a
// bad batch does for a step or two moves no median. Not thread-safe.
class DivergenceMonitor {
 public:
  static constexpr std::size_t kWindow = 10;

  // `classes` >= 2.
  explicit DivergenceMonitor(int classes);

  // The finite loss of the next step; true: it has diverged.
  bool Add(double loss);
  // After a return to an earlier step.
  void Forget();

 private:
  const double guessing_;
  // Of the first window; 0 before it is full.
  double first_median_ = 0;
  std::size_t seen_ = 0;
  std::vector<double> last_;
};

}  // namespace resnetd
