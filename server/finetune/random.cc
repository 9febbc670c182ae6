#include "server/finetune/random.h"

#include <cmath>

namespace resnetd {
namespace {

constexpr std::uint64_t kLowWord = 0xffffffffU;

std::uint32_t Low(std::uint64_t value) {
  return static_cast<std::uint32_t>(value & kLowWord);
}
std::uint32_t High(std::uint64_t value) {
  return static_cast<std::uint32_t>(value >> 32U);
}

std::array<std::uint32_t, 2> KeyOf(std::int64_t seed, RandomPurpose purpose) {
  const auto bits = static_cast<std::uint64_t>(seed);
  return {
      Low(bits),
      High(bits) | std::uint32_t{static_cast<std::uint8_t>(purpose)} << 24U};
}

// Indices of RandomStreams are below it: the rounds of a permutation have
// counters of their own.
constexpr std::uint32_t kPermutationMark = 0xffffffffU;

}  // namespace

std::array<std::uint32_t, 4> Philox(const std::array<std::uint32_t, 4>& counter,
                                    const std::array<std::uint32_t, 2>& key) {
  constexpr std::uint64_t kMultiplier0 = 0xD2511F53U;
  constexpr std::uint64_t kMultiplier1 = 0xCD9E8D57U;
  constexpr std::uint32_t kWeyl0 = 0x9E3779B9U;
  constexpr std::uint32_t kWeyl1 = 0xBB67AE85U;
  constexpr int kRounds = 10;
  std::array<std::uint32_t, 4> x = counter;
  std::uint32_t key0 = key[0];
  std::uint32_t key1 = key[1];
  for (int round = 0; round < kRounds; ++round) {
    const std::uint64_t product0 = kMultiplier0 * x[0];
    const std::uint64_t product1 = kMultiplier1 * x[2];
    x = {High(product1) ^ x[1] ^ key0, Low(product1),
         High(product0) ^ x[3] ^ key1, Low(product0)};
    key0 += kWeyl0;
    key1 += kWeyl1;
  }
  return x;
}

RandomStream::RandomStream(std::int64_t seed, RandomPurpose purpose,
                           std::uint64_t step, std::uint32_t index)
    : counter_{0, index, Low(step), High(step)}, key_(KeyOf(seed, purpose)) {}

std::uint32_t RandomStream::Bits() {
  if (used_ == words_.size()) {
    words_ = Philox(counter_, key_);
    ++counter_[0];
    used_ = 0;
  }
  return words_[used_++];
}

std::uint64_t RandomStream::Bits64() {
  const std::uint64_t low = Bits();
  return std::uint64_t{Bits()} << 32U | low;
}

double RandomStream::Uniform() {
  constexpr unsigned kUnused = 64 - 53;
  constexpr double kUnit = 0x1.0p-53;
  return static_cast<double>(Bits64() >> kUnused) * kUnit;
}

double RandomStream::Uniform(double least, double most) {
  return least + (most - least) * Uniform();
}

std::uint64_t RandomStream::Below(std::uint64_t n) {
  // Numbers of the incomplete last round of n are drawn again.
  const std::uint64_t excess = (0 - n) % n;
  std::uint64_t bits = Bits64();
  while (bits < excess) {
    bits = Bits64();
  }
  return bits % n;
}

double RandomStream::Normal() {
  if (has_spare_) {
    has_spare_ = false;
    return spare_;
  }
  // Box and Muller: always two uniform numbers for two normal ones.
  constexpr double kTwoPi = 6.283185307179586476925;
  const double radius = std::sqrt(-2 * std::log(1 - Uniform()));
  const double angle = kTwoPi * Uniform();
  spare_ = radius * std::sin(angle);
  has_spare_ = true;
  return radius * std::cos(angle);
}

double RandomStream::Gamma(double shape) {
  if (shape < 1) {
    // Marsaglia and Tsang, too: gamma(a) = gamma(a + 1) * u^(1 / a).
    const double larger = Gamma(shape + 1);
    return larger * std::pow(1 - Uniform(), 1 / shape);
  }
  // Marsaglia and Tsang 2000.
  const double d = shape - 1.0 / 3;
  const double c = 1 / std::sqrt(9 * d);
  for (;;) {
    const double x = Normal();
    const double cube = 1 + c * x;
    if (cube <= 0) {
      continue;
    }
    const double v = cube * cube * cube;
    if (std::log(1 - Uniform()) < 0.5 * x * x + d - d * v + d * std::log(v)) {
      return d * v;
    }
  }
}

double RandomStream::Beta(double shape) {
  const double a = Gamma(shape);
  const double b = Gamma(shape);
  // Both may be too small for a double when the shape is: then it is one of the
  // ends.
  return a + b > 0 ? a / (a + b) : (Uniform() < 0.5 ? 0 : 1);
}

std::uint64_t Permuted(std::int64_t seed, RandomPurpose purpose,
                       std::uint64_t turn, std::uint64_t n,
                       std::uint64_t index) {
  // A Feistel network over the next power of 4, walked until it is below n:
  // at most 4 times on average.
  constexpr std::uint32_t kRounds = 8;
  unsigned half = 1;
  while ((std::uint64_t{1} << (2 * half)) < n) {
    ++half;
  }
  const std::uint64_t mask = (std::uint64_t{1} << half) - 1;
  const std::array<std::uint32_t, 2> key = KeyOf(seed, purpose);
  std::uint64_t at = index;
  do {
    std::uint64_t left = at >> half;
    std::uint64_t right = at & mask;
    for (std::uint32_t round = 0; round < kRounds; ++round) {
      const auto words = Philox(
          {Low(right), kPermutationMark - round, Low(turn), High(turn)}, key);
      const std::uint64_t mixed = left ^ (words[0] & mask);
      left = right;
      right = mixed;
    }
    at = left << half | right;
  } while (at >= n);
  return at;
}

}  // namespace resnetd
