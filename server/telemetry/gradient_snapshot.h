#pragma once

#include <optional>
#include <string>
#include <vector>

namespace resnetd {

// What one residual block shows of its gradient; what is absent has no series.
struct BlockGradientFigures {
  // Sorted by depth as a text: "layer3.05".
  std::string block;
  std::optional<double> shortcut_norm;
  std::optional<double> main_norm;
  std::optional<double> input_norm;
  std::optional<double> main_share;
  std::optional<double> path_cosine;
  std::optional<double> weight_gradient_norm;
  std::optional<double> update_ratio;
  // At the batch size in use.
  std::optional<double> snr;
  std::optional<double> residual_ratio;
};

// One sampled step.
struct GradientFigures {
  // In order of depth.
  std::vector<BlockGradientFigures> blocks;
  std::optional<double> depth_ratio;
  std::optional<double> noise_scale;
};

}  // namespace resnetd
