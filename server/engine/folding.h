#pragma once

#include <vector>

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

}  // namespace resnetd
