#pragma once

#include <cstddef>
#include <vector>

#include "absl/types/span.h"

namespace resnetd {

// Losses that a spike is told from, and the fewest of them.
inline constexpr std::size_t kSpikeWindow = 50;
inline constexpr std::size_t kLeastSpikeWindow = 10;
// Median absolute deviations above the median.
inline constexpr double kSpikeDeviations = 6;

// The places of the losses that stand out of the kSpikeWindow before them: over
// their median by more than kSpikeDeviations times their median absolute
// deviation. Losses that are not finite are spikes, and no part of a window;
// nothing is told of the first kLeastSpikeWindow finite ones.
std::vector<std::size_t> LossSpikes(absl::Span<const double> losses);

}  // namespace resnetd
