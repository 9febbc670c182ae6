#include "server/nn/gradient_noise.h"

#include <algorithm>
#include <cmath>

#include "server/finetune/trainer.h"

namespace resnetd {

std::vector<Rows> NoiseParts(std::size_t examples, std::size_t least) {
  const std::size_t parts =
      std::min<std::size_t>(kNoiseBatches, examples / least);
  std::vector<Rows> rows;
  if (parts < 2) {
    return rows;
  }
  for (std::size_t part = 0; part < parts; ++part) {
    const std::size_t first = part * examples / parts;
    const std::size_t end = (part + 1) * examples / parts;
    rows.push_back({.first = first, .count = end - first});
  }
  return rows;
}

std::optional<GradientNoise> EstimateNoise(absl::Span<const NoisePart> parts,
                                           double whole) {
  if (parts.size() < 2) {
    return std::nullopt;
  }
  double examples = 0;
  for (const NoisePart& part : parts) {
    examples += part.examples;
  }
  double mean = 0;
  for (const NoisePart& part : parts) {
    if (part.examples <= 0) {
      return std::nullopt;
    }
    mean += examples / part.examples * part.squared_norm;
  }
  const double of_part = examples / static_cast<double>(parts.size());
  const GradientNoise noise{
      .signal = (examples * whole - of_part * mean) / (examples - of_part),
      .noise = (mean - whole) / (1 / of_part - 1 / examples)};
  if (!std::isfinite(noise.signal) || !std::isfinite(noise.noise)) {
    return std::nullopt;
  }
  return noise;
}

}  // namespace resnetd
