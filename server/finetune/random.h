#pragma once

#include <array>
#include <cstdint>

namespace resnetd {

// One block of Philox-4x32-10 (Salmon et al. 2011): four words that follow from
// counter and key alone.
std::array<std::uint32_t, 4> Philox(const std::array<std::uint32_t, 4>& counter,
                                    const std::array<std::uint32_t, 2>& key);

// What random numbers are for: streams of different purposes have nothing in
// common. The numbers never change their meaning: a training that goes on after
// an update of the server must go on with the same ones.
enum class RandomPurpose : std::uint8_t {
  kOrder = 1,
  kAugmentation = 2,
  kMixup = 3,
  kStep = 4,
  kHead = 5,
  kInitialWeights = 6,
  kReplayOrder = 7,
};

// Random numbers that follow from (seed, purpose, step, index) alone, so that
// nothing has to be saved for a training that is resumed. Uniform numbers are
// the same on every machine; the others go through log and cos of the C
// library. Not thread-safe; cheap to make.
class RandomStream {
 public:
  // 0 <= seed < 2^56.
  RandomStream(std::int64_t seed, RandomPurpose purpose, std::uint64_t step,
               std::uint32_t index);

  std::uint32_t Bits();
  std::uint64_t Bits64();
  // In [0, 1), with 53 random bits.
  double Uniform();
  // In [least, most).
  double Uniform(double least, double most);
  // 0 to n - 1, each equally likely. Precondition: n >= 1.
  std::uint64_t Below(std::uint64_t n);
  // Mean 0, variance 1.
  double Normal();
  // Of the gamma distribution with scale 1. Precondition: shape > 0.
  double Gamma(double shape);
  // Of the beta distribution with both parameters `shape` > 0.
  double Beta(double shape);

 private:
  std::array<std::uint32_t, 4> counter_;
  std::array<std::uint32_t, 2> key_;
  std::array<std::uint32_t, 4> words_{};
  unsigned used_ = 4;
  bool has_spare_ = false;
  double spare_ = 0;
};

// Where `index` of 0 to n - 1 goes in a random order: for a fixed (seed,
// purpose, turn) a permutation, computed without the others. Preconditions:
// index < n; n <= 2^62.
std::uint64_t Permuted(std::int64_t seed, RandomPurpose purpose,
                       std::uint64_t turn, std::uint64_t n,
                       std::uint64_t index);

}  // namespace resnetd
