#pragma once

#include <vector>

#include "server/engine/program.h"
#include "server/models/architecture.h"
#include "server/models/weights.h"

namespace resnetd {

// A normalisation with fixed statistics, as y = scale * x + shift. In double:
// what is made of it is rounded once.
struct ScaleShift {
  std::vector<double> scale;
  std::vector<double> shift;
};

ScaleShift ScaleShiftOf(const BatchNormLayer& norm, const Weights& weights);

struct FoldedConvolution {
  std::vector<float> weights;  // {out, in / groups, k, k}
  std::vector<float> bias;     // {out}
};

// The convolution `conv` followed by `norm`, as one convolution with a bias.
FoldedConvolution Fold(const ConvLayer& conv, const BatchNormLayer& norm,
                       const Weights& weights);

// What one step of a program reads beside activations, in C order.
struct FoldedStep {
  // Of convolutions and the linear layer. `bias` is empty where the step has
  // none.
  std::vector<float> weights;
  std::vector<float> bias;
  // Of kScaleShiftRelu.
  std::vector<float> scale;
  std::vector<float> shift;
};

FoldedStep FoldStep(const Step& step, const Weights& weights);

}  // namespace resnetd
