#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace resnetd {

// For a row of outputs of an antialiased bilinear resize along one axis: which
// inputs each reads, and with which fixed-point weights.
struct ResampleTaps {
  // The weights of an output add up to about 2^22: 32 bits hold a sum of
  // weighted 8-bit values, less 2 bits of headroom. As in Pillow.
  static constexpr int kWeightBits = 32 - 8 - 2;
  // Where a weight is split in two 16-bit halves for the vector kernels.
  static constexpr int kLowBits = 11;

  // The high and low halves of two neighbouring weights; the first weight of
  // the pair in the lower 16 bits.
  struct WeightPair {
    std::int32_t high = 0;
    std::int32_t low = 0;
  };

  // Room for weights per output, an even number; unused weights are 0.
  std::size_t stride = 0;
  // Per output: the first input it reads.
  std::vector<int> first;
  // Per output: how many inputs it reads, at least 1.
  std::vector<int> count;
  // first.size() * stride weights.
  std::vector<std::int32_t> weights;
  // The same for the vector kernels, first.size() * stride / 2 pairs.
  std::vector<WeightPair> pairs;
};

// The taps of outputs [begin, begin + outputs) when `in_size` inputs are
// resized to `out_size`. Bit-equal to Pillow's. Cost: the taps of the outputs
// asked for. Preconditions: sizes >= 1, 0 <= begin, begin + outputs <=
// out_size.
ResampleTaps ComputeTaps(int in_size, std::int64_t out_size, std::int64_t begin,
                         int outputs);

}  // namespace resnetd
