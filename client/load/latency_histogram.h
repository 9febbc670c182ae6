#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "server/base/clock.h"

namespace resnetd::client {

// Durations from 1 us to more than an hour in bounded memory, each known to
// 1/512 of its value: log-linear buckets as those of HdrHistogram. Not
// thread-safe.
class LatencyHistogram {
 public:
  // Counts a duration; one of 0 or less counts as 0, one over an hour and 11
  // minutes as that.
  void Record(Duration duration);
  void Merge(const LatencyHistogram& other);

  std::size_t count() const { return count_; }
  // Exact, of what was recorded; 0: nothing was.
  Duration mean() const;
  Duration most() const { return most_; }
  // The least recorded value that `share` (0 to 1) of all are not above, to
  // 1/512; never over most(). 0: nothing was recorded.
  Duration Quantile(double share) const;

 private:
  // Grows with the largest value.
  std::vector<std::uint64_t> buckets_;
  std::size_t count_ = 0;
  Duration sum_{};
  Duration most_{};
};

}  // namespace resnetd::client
