#pragma once

#include <cstdint>

namespace resnetd {

// Random numbers that are the same on every machine (SplitMix64): a failure is
// repeated from its seed. A plain value.
class SeededRandom {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}

  std::uint64_t Next() { return Mix(state_ += 0x9E37'79B9'7F4A'7C15); }
  // One of 0, 1, ... `count` - 1; `count` >= 1.
  std::uint64_t Below(std::uint64_t count) { return Next() % count; }
  bool OneIn(std::uint64_t count) { return Below(count) == 0; }

  // The same for the same `value`, and as good as random.
  static std::uint64_t Mix(std::uint64_t value) {
    value = (value ^ (value >> 30U)) * 0xBF58'476D'1CE4'E5B9;
    value = (value ^ (value >> 27U)) * 0x94D0'49BB'1331'11EB;
    return value ^ (value >> 31U);
  }

 private:
  std::uint64_t state_;
};

}  // namespace resnetd
