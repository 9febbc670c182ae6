#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace resnetd {

// What one optimiser step shows of the way that its gradient takes. Everything
// is of the mean loss over all examples of the step, before clipping and
// without the pull of L2-SP; norms are Euclidean, those of activations over all
// examples of the step.

// The gradient at the input of one residual block, y = ReLU(F(x) + S(x)) in a
// v1 network, and at its sum F(x) + S(x). In a v2 block whose shortcut is a
// projection both paths read ReLU(BN(x)): it is the input here.
struct PathNorms {
  // What comes back through the shortcut S and through the main path F. Their
  // sum, taken element by element, is the gradient at the input.
  double shortcut = 0;
  double main = 0;
  double input = 0;
  // At the sum, before its ReLU: with an identity shortcut that of `shortcut`.
  double sum = 0;
  // Between both, -1 to 1; 0 when one of them is 0.
  double cosine = 0;

  friend bool operator==(const PathNorms&, const PathNorms&) = default;
};

// main^2 / (main^2 + shortcut^2), 0 to 1; nullopt when both are 0.
std::optional<double> MainShare(const PathNorms& paths);

// The trained parameters of one block, of the stem or of the head.
struct ParameterNorms {
  double gradient = 0;
  // Before the step.
  double weights = 0;
  // Of the change by the step.
  double update = 0;
  // Share of the gradient's values that are exactly 0, 0 to 1.
  double zero_share = 0;

  friend bool operator==(const ParameterNorms&,
                         const ParameterNorms&) = default;
};

// From K >= 2 micro-batches of b examples each, B = K b: unbiased estimates
// (McCandlish et al. 2018, "An Empirical Model of Large-Batch Training",
// appendix A.1), either of which may be negative in a single step:
//   signal = (B |mean g|^2 - b mean |g_k|^2) / (B - b)
//   noise  = (mean |g_k|^2 - |mean g|^2) / (1 / b - 1 / B)
// where g_k is the gradient of the mean loss of micro-batch k. noise / signal
// is the noise scale in examples; signal * n / noise the signal-to-noise ratio
// of n examples. Means over steps are taken of each alone, before they are
// divided. Of micro-batches that differ in size b is B / K, and the mean of
// |g_k|^2 is weighted by their sizes: both stay unbiased. Where batch norms use
// the statistics of a batch, the gradient of a micro-batch is that of another
// function, and the noise is of that one.
struct GradientNoise {
  // Of the squared norm of the true gradient.
  double signal = 0;
  // Of the trace of the covariance of one example's gradient.
  double noise = 0;

  friend bool operator==(const GradientNoise&, const GradientNoise&) = default;
};

// noise / signal, in examples; nullopt: the gradient cannot be told from noise,
// or no noise was seen.
std::optional<double> NoiseScale(const GradientNoise& noise);

struct BlockSample {
  // Absent: the input of the block takes no gradient, since nothing before the
  // block is trained.
  std::optional<PathNorms> paths;
  // Absent: the block is frozen.
  std::optional<ParameterNorms> parameters;
  // With the noise of the step, of trained blocks.
  std::optional<GradientNoise> noise;
  // |F(x)| / |S(x)|, before stochastic depth. Absent with `paths`, and when
  // S(x) is 0.
  std::optional<double> residual_ratio;
  // Norm of the scale of the last batch norm of F: v1 networks only.
  std::optional<double> last_scale;
  // Norm of the gradient at the kernels and scales of F. Without the shifts of
  // its norms: that of the last one in a v1 block takes the gradient of the sum
  // whatever F does. Absent: the block is frozen.
  std::optional<double> main_weights;

  friend bool operator==(const BlockSample&, const BlockSample&) = default;
};

struct GradientSample {
  // The optimiser step it is of, counted from 1.
  std::int64_t step = 0;
  // Of the step.
  int examples = 0;
  // One for each residual block, in order of depth.
  std::vector<BlockSample> blocks;
  // Of everything that is trained together.
  ParameterNorms all;
  // Of everything that is trained, when it was measured.
  std::optional<GradientNoise> noise;

  friend bool operator==(const GradientSample&,
                         const GradientSample&) = default;
};

// |dL/dx| of the first block that has paths over that of the last one; nullopt:
// fewer than two have, or the last one's is 0.
std::optional<double> DepthRatio(const GradientSample& sample);

}  // namespace resnetd
