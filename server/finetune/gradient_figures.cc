#include "server/finetune/gradient_figures.h"

#include <algorithm>
#include <cstddef>

namespace resnetd {
namespace {

// Weight of the mean so far: it is one of some ten samples.
constexpr double kMemory = 0.9;

// Signal over noise in the mean gradient of so many examples.
std::optional<double> SnrOf(const std::optional<GradientNoise>& mean,
                            int examples) {
  if (!mean || mean->noise <= 0) {
    return std::nullopt;
  }
  return mean->signal * examples / mean->noise;
}

void TakePaths(const PathNorms& paths, BlockGradientFigures& figures) {
  figures.shortcut_norm = paths.shortcut;
  figures.main_norm = paths.main;
  figures.input_norm = paths.input;
  figures.main_share = MainShare(paths);
  figures.path_cosine = paths.cosine;
}

void TakeParameters(const ParameterNorms& norms,
                    BlockGradientFigures& figures) {
  figures.weight_gradient_norm = norms.gradient;
  if (norms.weights > 0) {
    figures.update_ratio = norms.update / norms.weights;
  }
}

}  // namespace

void GradientFigureMaker::Add(const std::optional<GradientNoise>& noise,
                              Mean& mean) {
  if (!noise) {
    return;
  }
  if (!mean) {
    mean = noise;
    return;
  }
  // Both with the same weights: what the first ones weigh too much cancels out
  // in their quotient.
  mean->signal = kMemory * mean->signal + (1 - kMemory) * noise->signal;
  mean->noise = kMemory * mean->noise + (1 - kMemory) * noise->noise;
}

GradientFigures GradientFigureMaker::Make(
    const GradientSample& sample, const std::vector<std::string>& labels) {
  if (sample.blocks.size() != blocks_.size() || sample.step < step_) {
    blocks_.assign(sample.blocks.size(), std::nullopt);
    all_.reset();
  }
  step_ = sample.step;
  Add(sample.noise, all_);
  GradientFigures figures{
      .depth_ratio = DepthRatio(sample),
      .noise_scale = all_ ? NoiseScale(*all_) : std::nullopt};
  for (std::size_t i = 0; i < std::min(sample.blocks.size(), labels.size());
       ++i) {
    const BlockSample& block = sample.blocks[i];
    Add(block.noise, blocks_[i]);
    BlockGradientFigures& shown = figures.blocks.emplace_back();
    shown.block = labels[i];
    shown.residual_ratio = block.residual_ratio;
    if (block.paths) {
      TakePaths(*block.paths, shown);
    }
    if (block.parameters) {
      TakeParameters(*block.parameters, shown);
      shown.snr = SnrOf(blocks_[i], sample.examples);
    }
  }
  return figures;
}

}  // namespace resnetd
