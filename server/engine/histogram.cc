#include "server/engine/histogram.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

#include "absl/types/span.h"

namespace resnetd {
namespace {

// Ranges that are tried lie this many bins apart.
constexpr std::size_t kStride = 16;

}  // namespace

void Histogram::Grow(double magnitude) {
  // A power of two beyond it, so that the order of the values does not matter.
  if (range_ == 0) {
    range_ = std::exp2(std::floor(std::log2(magnitude)) + 1);
  }
  while (magnitude >= range_) {
    for (std::size_t i = 0; i < kBins / 2; ++i) {
      bins_.at(i) = bins_.at(2 * i) + bins_.at(2 * i + 1);
    }
    std::fill(bins_.begin() + kBins / 2, bins_.end(), 0);
    range_ *= 2;
  }
}

void Histogram::Add(absl::Span<const float> values) {
  for (const float value : values) {
    const double magnitude = std::fabs(double{value});
    if (magnitude == 0 || !std::isfinite(magnitude)) {
      continue;
    }
    if (magnitude >= range_) {
      Grow(magnitude);
    }
    largest_ = std::max(largest_, magnitude);
    const auto bin = static_cast<std::size_t>(magnitude / BinWidth());
    ++bins_[std::min(bin, kBins - 1)];
    ++count_;
  }
}

double Histogram::Percentile(double share) const {
  const double wanted = share * static_cast<double>(count_);
  double seen = 0;
  for (std::size_t i = 0; i < kBins; ++i) {
    seen += static_cast<double>(bins_.at(i));
    if (seen >= wanted) {
      return std::min(largest_, static_cast<double>(i + 1) * BinWidth());
    }
  }
  return largest_;
}

// P: the bins up to the range, the last one with all that lies beyond. Q: the
// same bins without what lies beyond, each level's count spread evenly over
// those of its bins that hold something.
double Histogram::DivergenceAt(std::size_t bins, int levels) const {
  const auto total = static_cast<double>(count_);
  const auto inside = static_cast<double>(std::accumulate(
      bins_.begin(), bins_.begin() + static_cast<std::ptrdiff_t>(bins),
      std::int64_t{0}));
  const double beyond = total - inside;
  if (inside == 0) {
    return std::numeric_limits<double>::infinity();
  }
  double divergence = 0;
  for (int level = 0; level < levels; ++level) {
    const std::size_t first = bins * static_cast<std::size_t>(level) /
                              static_cast<std::size_t>(levels);
    const std::size_t end = bins * static_cast<std::size_t>(level + 1) /
                            static_cast<std::size_t>(levels);
    double sum = 0;
    int filled = 0;
    for (std::size_t i = first; i < end; ++i) {
      sum += static_cast<double>(bins_.at(i));
      filled += bins_.at(i) > 0 ? 1 : 0;
    }
    for (std::size_t i = first; i < end; ++i) {
      const double p =
          (static_cast<double>(bins_.at(i)) + (i + 1 == bins ? beyond : 0.0)) /
          total;
      if (p == 0) {
        continue;
      }
      // A range that cuts off at an empty bin has nothing to stand for it.
      const double q = filled > 0 && bins_.at(i) > 0
                           ? sum / static_cast<double>(filled) / inside
                           : 0.5 / total;
      divergence += p * std::log(p / q);
    }
  }
  return divergence;
}

double Histogram::LeastDivergence(int levels) const {
  std::size_t best = kBins;
  double least = std::numeric_limits<double>::infinity();
  for (auto bins = static_cast<std::size_t>(levels); bins <= kBins;
       bins += kStride) {
    const double divergence = DivergenceAt(bins, levels);
    if (divergence < least) {
      least = divergence;
      best = bins;
    }
  }
  return std::min(largest_, static_cast<double>(best) * BinWidth());
}

}  // namespace resnetd
