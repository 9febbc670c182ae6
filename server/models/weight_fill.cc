// Compiled with -ffp-contract=off: a fused multiply-add would round once where
// the contract rounds twice.
#include "server/models/weight_fill.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/image/pixels.h"
#include "server/models/architecture.h"
#include "server/models/weights.h"

namespace resnetd {
namespace {

constexpr std::uint64_t kGolden = 0x9E3779B97F4A7C15U;

std::uint64_t Fnv1a64(absl::string_view text) {
  std::uint64_t hash = 0xCBF29CE484222325U;
  for (const char c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001B3U;
  }
  return hash;
}

// The finaliser of splitmix64.
constexpr std::uint64_t Mix(std::uint64_t z) {
  z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9U;
  z = (z ^ (z >> 27U)) * 0x94D049BB133111EBU;
  return z ^ (z >> 31U);
}

// value = offset + scale * f.
struct Line {
  float offset;
  float scale;
};

Line LineOf(const TensorSpec& spec) {
  if (spec.shape.size() == 4) {
    const auto fan_in =
        static_cast<double>(spec.shape[1] * spec.shape[2] * spec.shape[3]);
    return {0.0F, static_cast<float>(std::sqrt(6.0 / fan_in))};
  }
  if (spec.shape.size() == 2) {
    const auto fan_in = static_cast<double>(spec.shape[1]);
    return {0.0F, static_cast<float>(std::sqrt(1.0 / fan_in))};
  }
  if (absl::EndsWith(spec.name, ".weight")) {
    return {0.625F, 0.25F};
  }
  if (absl::EndsWith(spec.name, ".running_var")) {
    return {1.0F, 0.5F};
  }
  return {0.0F, 0.1F};  // .bias and .running_mean
}

std::vector<float> FillValues(const TensorSpec& spec) {
  const auto count = static_cast<std::size_t>(
      std::accumulate(spec.shape.begin(), spec.shape.end(), std::int64_t{1},
                      std::multiplies<>()));
  const std::uint64_t seed = Fnv1a64(spec.name);
  const Line line = LineOf(spec);
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) {
    // 24 bits, so that the conversions and f are exact.
    const auto bits =
        static_cast<std::int32_t>(Mix(seed + (i + 1) * kGolden) >> 40U);
    const float f = static_cast<float>(bits) * 0x1p-23F - 1.0F;
    const float product = f * line.scale;
    values[i] = line.offset + product;
  }
  return values;
}

}  // namespace

Weights FillWeights(const Network& network) {
  absl::flat_hash_map<std::string, Tensor> tensors;
  for (TensorSpec& spec : TensorSpecs(network)) {
    if (spec.optional_counter) {
      continue;
    }
    std::vector<float> values = FillValues(spec);
    tensors.emplace(std::move(spec.name),
                    Tensor{std::move(spec.shape), std::move(values)});
  }
  return Weights::FromTensors(std::move(tensors));
}

Pixels FillPicture(int width, int height, int number) {
  Pixels pixels;
  pixels.width = width;
  pixels.height = height;
  pixels.rgb.resize(static_cast<std::size_t>(width) *
                    static_cast<std::size_t>(height) * 3);
  const std::uint64_t seed = Fnv1a64(absl::StrCat("picture", number));
  for (std::size_t i = 0; i < pixels.rgb.size(); ++i) {
    pixels.rgb[i] =
        static_cast<std::uint8_t>(Mix(seed + (i + 1) * kGolden) >> 56U);
  }
  return pixels;
}

}  // namespace resnetd
