#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"

namespace resnetd {

// How often magnitudes of activations occur. Grows with what it sees: the range
// doubles, pairs of bins become one. Zeros, which every precision has, are not
// counted. Not thread-safe.
class Histogram {
 public:
  static constexpr std::size_t kBins = 2048;

  // Values that are not finite are left out.
  void Add(absl::Span<const float> values);

  std::int64_t count() const { return count_; }
  // The largest magnitude seen, exact. 0: none but zeros.
  double largest() const { return largest_; }

  // The end of the bin up to which `share` (0 to 1) of the magnitudes lie; no
  // more than largest().
  double Percentile(double share) const;

  // The range whose `levels` steps tell least of another distribution than the
  // one seen (Kullback-Leibler divergence between the magnitudes cut off at the
  // range and the same in steps). No more than largest().
  double LeastDivergence(int levels) const;

 private:
  double BinWidth() const { return range_ / static_cast<double>(kBins); }
  void Grow(double magnitude);
  double DivergenceAt(std::size_t bins, int levels) const;

  std::array<std::int64_t, kBins> bins_{};
  double range_ = 0;
  double largest_ = 0;
  std::int64_t count_ = 0;
};

}  // namespace resnetd
