#include "server/engine/linear.h"

#include <array>
#include <cstddef>
#include <cstring>

namespace resnetd {
namespace {

// What every processor of the architecture has; several sums at once, so that
// one addition does not wait for the one before.
constexpr std::size_t kLanes = 4;
constexpr std::size_t kSums = 4;
constexpr std::size_t kStep = kLanes * kSums;
using Lanes [[gnu::vector_size(kLanes * sizeof(float))]] = float;

Lanes Product(const float* a, const float* b) {
  Lanes left;
  Lanes right;
  std::memcpy(&left, a, sizeof(left));
  std::memcpy(&right, b, sizeof(right));
  return left * right;
}

float Dot(const float* a, const float* b, std::size_t count) {
  std::array<Lanes, kSums> sums = {};
  std::size_t i = 0;
  for (; i + kStep <= count; i += kStep) {
    sums[0] += Product(a + i, b + i);
    sums[1] += Product(a + i + kLanes, b + i + kLanes);
    sums[2] += Product(a + i + 2 * kLanes, b + i + 2 * kLanes);
    sums[3] += Product(a + i + 3 * kLanes, b + i + 3 * kLanes);
  }
  Lanes sum = (sums[0] + sums[2]) + (sums[1] + sums[3]);
  for (; i < count; ++i) {
    sum[i % kLanes] += a[i] * b[i];
  }
  return (sum[0] + sum[2]) + (sum[1] + sum[3]);
}

}  // namespace

void ApplyLinear(const LinearShape& shape, const float* weights,
                 const float* bias, const float* source, float* destination) {
  for (std::size_t o = 0; o < shape.out_features; ++o) {
    const float* row = weights + o * shape.in_features;
    for (std::size_t b = 0; b < shape.batch; ++b) {
      destination[b * shape.out_features + o] =
          bias[o] + Dot(row, source + b * shape.in_features, shape.in_features);
    }
  }
}

}  // namespace resnetd
