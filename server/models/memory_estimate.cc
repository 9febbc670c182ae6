#include "server/models/memory_estimate.h"

#include <algorithm>
#include <functional>
#include <numeric>

namespace resnetd {
namespace {

// Buffers as large as the largest activation that a plan has at a time: input,
// output and shortcut of a block.
constexpr std::int64_t kBuffers = 3;
// The network's own copy of the weights, packed for its kernels, and what the
// kernels need beside it.
constexpr double kPackedShare = 1.25;

// Of the convolutions that minimal filtering computes, what their weights take
// beside: 16/9 to 4 times themselves on the processors that have it, nothing on
// others.
constexpr double kFilteredShare = 1;
// More are computed directly everywhere.
constexpr int kMostFilteredChannels = 256;

std::int64_t Halved(std::int64_t side, int stride) {
  return (side + stride - 1) / stride;
}

std::int64_t ValuesOf(const ConvLayer& conv, std::int64_t side) {
  return conv.out_channels * side * side;
}

// Values of the largest activation for one picture.
std::int64_t LargestActivation(const Network& network, int picture_side) {
  std::int64_t side = Halved(picture_side, network.stem.conv.stride);
  std::int64_t largest =
      std::max<std::int64_t>(ValuesOf(network.stem.conv, side),
                             std::int64_t{3} * picture_side * picture_side);
  if (network.max_pool) {
    side = Halved(side, 2);
  }
  for (const ResidualBlock& block : network.blocks) {
    for (const ConvUnit& unit : block.main_path) {
      side = Halved(side, unit.conv.stride);
      largest = std::max(largest, ValuesOf(unit.conv, side));
    }
  }
  return largest;
}

// Weights of the convolutions that minimal filtering may compute.
std::int64_t FilteredWeights(const Network& network) {
  std::int64_t values = 0;
  for (const ResidualBlock& block : network.blocks) {
    for (const ConvUnit& unit : block.main_path) {
      const ConvLayer& conv = unit.conv;
      if (conv.kernel == 3 && conv.stride == 1 && conv.groups == 1 &&
          std::max(conv.in_channels, conv.out_channels) <=
              kMostFilteredChannels) {
        values += std::int64_t{9} * conv.in_channels * conv.out_channels;
      }
    }
  }
  return values;
}

}  // namespace

std::int64_t FloatBytes(const Network& network) {
  std::int64_t values = 0;
  for (const TensorSpec& spec : TensorSpecs(network)) {
    values += std::accumulate(spec.shape.begin(), spec.shape.end(),
                              std::int64_t{1}, std::multiplies<>());
  }
  return values * static_cast<std::int64_t>(sizeof(float));
}

std::int64_t ActivationBytes(const Network& network, int side,
                             std::size_t batch) {
  return kBuffers * LargestActivation(network, side) *
         static_cast<std::int64_t>(sizeof(float) * batch);
}

MemoryUse EstimateMemory(const Network& network, int side,
                         std::size_t max_batch) {
  const auto packed = static_cast<std::int64_t>(
      kPackedShare * static_cast<double>(FloatBytes(network)) +
      kFilteredShare * sizeof(float) *
          static_cast<double>(FilteredWeights(network)));
  return {.loading = packed + ActivationBytes(network, side, max_batch)};
}

MemoryUse DivideMemory(const Network& network, std::int64_t resident_bytes) {
  const std::int64_t weights = std::min(FloatBytes(network), resident_bytes);
  return {.weights = weights, .activations = resident_bytes - weights};
}

}  // namespace resnetd
