#include "server/image/resample_taps.h"

#include <algorithm>
#include <cmath>

namespace resnetd {
namespace {

// Half the width of the triangle in units of the coarser of the two grids.
constexpr double kSupport = 1.0;

double Triangle(double x) {
  const double distance = std::abs(x);
  return distance < 1.0 ? 1.0 - distance : 0.0;
}

// Writes the weights of one output. Each operation is in the order Pillow does
// it in, since the sums are rounded.
void WriteWeights(double center, double inverse_scale, int first, int count,
                  std::vector<double>& scratch, std::int32_t* weights) {
  scratch.resize(static_cast<std::size_t>(count));
  double sum = 0.0;
  for (int i = 0; i < count; ++i) {
    const double weight = Triangle((i + first - center + 0.5) * inverse_scale);
    scratch[static_cast<std::size_t>(i)] = weight;
    sum += weight;
  }
  constexpr double kOne = 1 << ResampleTaps::kWeightBits;
  for (int i = 0; i < count; ++i) {
    double weight = scratch[static_cast<std::size_t>(i)];
    if (sum != 0.0) {
      weight /= sum;
    }
    // As Pillow: a half added, then cut off. Weights are never negative.
    const double shifted = 0.5 + weight * kOne;
    weights[i] = static_cast<std::int32_t>(shifted);
  }
}

std::int32_t PackPair(std::int32_t first, std::int32_t second) {
  return static_cast<std::int32_t>(static_cast<std::uint32_t>(second) << 16U |
                                   static_cast<std::uint32_t>(first));
}

std::vector<ResampleTaps::WeightPair> SplitWeights(
    const std::vector<std::int32_t>& weights) {
  constexpr std::int32_t kLowMask = (1 << ResampleTaps::kLowBits) - 1;
  std::vector<ResampleTaps::WeightPair> pairs(weights.size() / 2);
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const std::int32_t a = weights[2 * i];
    const std::int32_t b = weights[2 * i + 1];
    pairs[i].high =
        PackPair(a >> ResampleTaps::kLowBits, b >> ResampleTaps::kLowBits);
    pairs[i].low = PackPair(a & kLowMask, b & kLowMask);
  }
  return pairs;
}

}  // namespace

ResampleTaps ComputeTaps(int in_size, std::int64_t out_size, std::int64_t begin,
                         int outputs) {
  const double scale =
      static_cast<double>(in_size) / static_cast<double>(out_size);
  const double filter_scale = std::max(scale, 1.0);
  const double support = kSupport * filter_scale;
  const double inverse_scale = 1.0 / filter_scale;

  const auto size = static_cast<std::size_t>(outputs);
  ResampleTaps taps;
  taps.first.resize(size);
  taps.count.resize(size);
  int most = 0;
  for (std::size_t i = 0; i < size; ++i) {
    const double center =
        (static_cast<double>(begin + static_cast<std::int64_t>(i)) + 0.5) *
        scale;
    // As Pillow: cut off, also below zero, where the clamp catches it.
    const double from = center - support + 0.5;
    const double to = center + support + 0.5;
    const int first = std::max(0, static_cast<int>(from));
    const int last = std::min(in_size, static_cast<int>(to));
    taps.first[i] = first;
    taps.count[i] = last - first;
    most = std::max(most, last - first);
  }
  taps.stride = static_cast<std::size_t>(most);
  taps.stride += taps.stride % 2;
  taps.weights.assign(size * taps.stride, 0);
  std::vector<double> scratch;
  for (std::size_t i = 0; i < size; ++i) {
    const double center =
        (static_cast<double>(begin + static_cast<std::int64_t>(i)) + 0.5) *
        scale;
    WriteWeights(center, inverse_scale, taps.first[i], taps.count[i], scratch,
                 &taps.weights[i * taps.stride]);
  }
  taps.pairs = SplitWeights(taps.weights);
  return taps;
}

}  // namespace resnetd
