#include "server/finetune/gradient_sample.h"

#include <optional>

namespace resnetd {

std::optional<double> MainShare(const PathNorms& paths) {
  const double main = paths.main * paths.main;
  const double both = main + paths.shortcut * paths.shortcut;
  if (both == 0) {
    return std::nullopt;
  }
  return main / both;
}

std::optional<double> NoiseScale(const GradientNoise& noise) {
  if (noise.signal <= 0 || noise.noise <= 0) {
    return std::nullopt;
  }
  return noise.noise / noise.signal;
}

std::optional<double> DepthRatio(const GradientSample& sample) {
  const BlockSample* first = nullptr;
  const BlockSample* last = nullptr;
  for (const BlockSample& block : sample.blocks) {
    if (block.paths.has_value()) {
      first = first == nullptr ? &block : first;
      last = &block;
    }
  }
  if (first == last || last->paths->input == 0) {
    return std::nullopt;
  }
  return first->paths->input / last->paths->input;
}

}  // namespace resnetd
