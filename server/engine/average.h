#pragma once

#include <cstddef>
#include <cstdint>

namespace resnetd {

// The average over each picture's pixels, in float32, of activations in NHWC:
// what the head reads. Small loops of our own, because the library averages
// bytes into bytes.
struct AverageShape {
  std::size_t batch = 1;
  std::size_t pixels = 1;
  std::size_t channels = 1;
};

// `destination`: batch * channels values.
void AverageBytes(const AverageShape& shape, float scale,
                  const std::uint8_t* source, float* destination);
void AverageBfloat16(const AverageShape& shape, const std::uint16_t* source,
                     float* destination);

// round(source / scale), 0 to 255, ties to even.
void QuantiseToBytes(const float* source, std::size_t count, float scale,
                     std::uint8_t* destination);

// The nearest bfloat16 of a finite value, ties to even, as its bits.
std::uint16_t ToBfloat16(float value);
float FromBfloat16(std::uint16_t bits);

}  // namespace resnetd
