#include "server/engine/folding.h"

#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/models/architecture.h"
#include "server/models/weights.h"

namespace resnetd {

ScaleShift ScaleShiftOf(const BatchNormLayer& norm, const Weights& weights) {
  const Tensor& gamma = weights.at(absl::StrCat(norm.name, ".weight"));
  const Tensor& beta = weights.at(absl::StrCat(norm.name, ".bias"));
  const Tensor& mean = weights.at(absl::StrCat(norm.name, ".running_mean"));
  const Tensor& variance = weights.at(absl::StrCat(norm.name, ".running_var"));
  const auto channels = static_cast<std::size_t>(norm.channels);
  ScaleShift result{std::vector<double>(channels),
                    std::vector<double>(channels)};
  for (std::size_t c = 0; c < channels; ++c) {
    const double deviation =
        std::sqrt(double{variance.values[c]} + kBatchNormEpsilon);
    result.scale[c] = double{gamma.values[c]} / deviation;
    result.shift[c] =
        double{beta.values[c]} - double{mean.values[c]} * result.scale[c];
  }
  return result;
}

FoldedConvolution Fold(const ConvLayer& conv, const BatchNormLayer& norm,
                       const Weights& weights) {
  const Tensor& original = weights.at(absl::StrCat(conv.name, ".weight"));
  const ScaleShift line = ScaleShiftOf(norm, weights);
  const std::size_t channels = line.scale.size();
  const std::size_t fan_in = original.values.size() / channels;
  FoldedConvolution folded;
  folded.weights.resize(original.values.size());
  folded.bias.resize(channels);
  for (std::size_t c = 0; c < channels; ++c) {
    const double scale = line.scale[c];
    const float* const from = original.values.data() + c * fan_in;
    float* const to = folded.weights.data() + c * fan_in;
    for (std::size_t i = 0; i < fan_in; ++i) {
      to[i] = static_cast<float>(double{from[i]} * scale);
    }
    folded.bias[c] = static_cast<float>(line.shift[c]);
  }
  return folded;
}

FoldedStep FoldStep(const Step& step, const Weights& weights) {
  FoldedStep folded;
  if (step.kind == StepKind::kLinear) {
    folded.weights =
        weights.at(absl::StrCat(step.linear.name, ".weight")).values;
    folded.bias = weights.at(absl::StrCat(step.linear.name, ".bias")).values;
  } else if (step.kind == StepKind::kScaleShiftRelu) {
    const ScaleShift line = ScaleShiftOf(*step.norm, weights);
    folded.scale.assign(line.scale.begin(), line.scale.end());
    folded.shift.assign(line.shift.begin(), line.shift.end());
  } else if (step.norm) {
    FoldedConvolution convolution = Fold(step.conv, *step.norm, weights);
    folded.weights = std::move(convolution.weights);
    folded.bias = std::move(convolution.bias);
  } else if (step.kind == StepKind::kConvolution) {
    folded.weights = weights.at(absl::StrCat(step.conv.name, ".weight")).values;
  }
  return folded;
}

}  // namespace resnetd
