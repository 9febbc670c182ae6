#include "server/engine/average.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace resnetd {
namespace {

template <typename T, typename ToFloat>
void Average(const AverageShape& shape, float factor, const T* source,
             float* destination, ToFloat to_float) {
  for (std::size_t picture = 0; picture < shape.batch; ++picture) {
    std::fill(destination, destination + shape.channels, 0.0F);
    for (std::size_t pixel = 0; pixel < shape.pixels; ++pixel) {
      for (std::size_t c = 0; c < shape.channels; ++c) {
        destination[c] += to_float(source[c]);
      }
      source += shape.channels;
    }
    for (std::size_t c = 0; c < shape.channels; ++c) {
      destination[c] *= factor;
    }
    destination += shape.channels;
  }
}

}  // namespace

void AverageBytes(const AverageShape& shape, float scale,
                  const std::uint8_t* source, float* destination) {
  Average(shape, scale / static_cast<float>(shape.pixels), source, destination,
          [](std::uint8_t level) { return static_cast<float>(level); });
}

void AverageBfloat16(const AverageShape& shape, const std::uint16_t* source,
                     float* destination) {
  Average(shape, 1.0F / static_cast<float>(shape.pixels), source, destination,
          FromBfloat16);
}

void QuantiseToBytes(const float* source, std::size_t count, float scale,
                     std::uint8_t* destination) {
  for (std::size_t i = 0; i < count; ++i) {
    const float level = std::nearbyint(source[i] / scale);
    destination[i] = static_cast<std::uint8_t>(std::clamp(level, 0.0F, 255.0F));
  }
}

std::uint16_t ToBfloat16(float value) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof(bits));
  constexpr std::uint32_t kHalf = 0x7FFF;
  const std::uint32_t odd = (bits >> 16U) & 1U;
  return static_cast<std::uint16_t>((bits + kHalf + odd) >> 16U);
}

float FromBfloat16(std::uint16_t bits) {
  const std::uint32_t wide = std::uint32_t{bits} << 16U;
  float value = 0;
  std::memcpy(&value, &wide, sizeof(value));
  return value;
}

}  // namespace resnetd
