#include "server/nn/path_factors.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

namespace resnetd {
namespace {

// The finaliser of SplitMix64: every bit of the result depends on every bit of
// `value`.
std::uint64_t Mix(std::uint64_t value) {
  value = (value ^ (value >> 30U)) * 0xBF58'476D'1CE4'E5B9;
  value = (value ^ (value >> 27U)) * 0x94D0'49BB'1331'11EB;
  return value ^ (value >> 31U);
}

// Evenly spread in [0, 1).
double Uniform(std::uint64_t seed, std::uint64_t block, std::uint64_t picture) {
  constexpr std::uint64_t kStep = 0x9E37'79B9'7F4A'7C15;
  constexpr double kTo53Bits = 0x1p-53;
  const std::uint64_t of_block = Mix(seed + (block + 1) * kStep);
  const std::uint64_t bits = Mix(of_block + (picture + 1) * kStep);
  return static_cast<double>(bits >> 11U) * kTo53Bits;
}

}  // namespace

double DropChance(double last_chance, std::size_t block, std::size_t blocks) {
  if (blocks <= 1) {
    return 0;
  }
  return last_chance * static_cast<double>(block) /
         static_cast<double>(blocks - 1);
}

at::Tensor PathFactors(double chance, std::uint64_t seed, std::size_t block,
                       std::int64_t pictures,
                       const at::TensorOptions& options) {
  const at::Tensor factors = at::empty({pictures, 1, 1, 1}, at::kDouble);
  auto* to = factors.data_ptr<double>();
  for (std::int64_t i = 0; i < pictures; ++i) {
    const double u = Uniform(seed, block, static_cast<std::uint64_t>(i));
    to[i] = u < chance ? 0 : 1 / (1 - chance);
  }
  return factors.to(options);
}

}  // namespace resnetd
