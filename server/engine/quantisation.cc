#include "server/engine/quantisation.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "server/engine/calibration.h"
#include "server/engine/folding.h"
#include "server/engine/program.h"
#include "server/image/preprocess.h"

namespace resnetd {
namespace {

constexpr double kLargestSigned = 127;
constexpr double kLargestUnsigned = 255;

// The picture's bytes.
constexpr Levels kPicture = {.scale = 1, .is_signed = false};
// What is written in float32.
constexpr Levels kFloats = {.scale = 1, .is_signed = true};

Levels LevelsFor(double range, bool is_signed) {
  return {.scale = static_cast<float>(
              range / (is_signed ? kLargestSigned : kLargestUnsigned)),
          .is_signed = is_signed};
}

// The weights of a filter over bytes of a picture.
void FoldPixels(const PreprocessSpec& preprocess, std::size_t pixels,
                std::vector<double>& filter) {
  for (std::size_t i = 0; i < filter.size(); ++i) {
    filter[i] /= 255.0 * double{preprocess.std.at(i / pixels)};
  }
}

// The largest of several numbers, each of every kLanes-th value: one after the
// other each comparison would wait for the one before.
constexpr std::size_t kLanes = 4;
using Largest = std::array<double, kLanes>;

double LargestOf(const std::vector<double>& filter) {
  const double* const values = filter.data();
  const std::size_t whole = filter.size() / kLanes * kLanes;
  Largest largest{};
  for (std::size_t i = 0; i < whole; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      largest[lane] = std::max(largest[lane], std::fabs(values[i + lane]));
    }
  }
  for (std::size_t i = whole; i < filter.size(); ++i) {
    largest[0] = std::max(largest[0], std::fabs(values[i]));
  }
  return *std::max_element(largest.begin(), largest.end());
}

// The largest sum of the weights of two neighbouring input channels at the same
// of `pixels` places. Two weights of different signs come no closer to the
// limit than one of them alone.
double LargestPairOf(const std::vector<double>& filter, std::size_t pixels) {
  const std::size_t channels = filter.size() / pixels;
  const double* values = filter.data();
  Largest largest{};
  for (std::size_t channel = 0; channel + 1 < channels; channel += 2) {
    double& lane = largest[channel / 2 % kLanes];
    for (std::size_t pixel = 0; pixel < pixels; ++pixel) {
      lane = std::max(lane, std::fabs(values[pixel] + values[pixels + pixel]));
    }
    values += 2 * pixels;
  }
  return *std::max_element(largest.begin(), largest.end());
}

// As std::nearbyint(), which is a call, for numbers whose magnitude is below
// 2^51: to the nearest, ties to even.
double Rounded(double value) {
  // From here on there are no fractions.
  constexpr double kWhole = 0x1.8p52;
  return (value + kWhole) - kWhole;
}

// `levels` has as many places as the filter.
void LevelsOfFilter(const std::vector<double>& filter, double scale,
                    std::int8_t* levels) {
  const double* const values = filter.data();
  for (std::size_t i = 0; i < filter.size(); ++i) {
    levels[i] = static_cast<std::int8_t>(
        static_cast<std::int32_t>(Rounded(values[i] / scale)));
  }
}

// What stands for one level of the weights of a filter. A pair whose sum is 127
// of them has at most 128 when both are rounded: 255 * 128 fits 16 bits.
double ScaleOf(const std::vector<double>& filter, std::size_t pixels,
               ProductSums sums) {
  double largest = LargestOf(filter);
  if (sums == ProductSums::kPairsIn16Bits) {
    largest = std::max(largest, LargestPairOf(filter, pixels));
  }
  return largest > 0 ? largest / kLargestSigned : 1.0;
}

}  // namespace

bool CanQuantise(const Program& program) {
  return std::none_of(
      program.steps.begin(), program.steps.end(),
      [](const Step& step) { return step.kind == StepKind::kScaleShiftRelu; });
}

std::vector<StepLevels> LevelsOf(const Program& program,
                                 const Calibration& calibration) {
  std::vector<Levels> buffers(program.buffers.size());
  buffers.front() = kPicture;
  std::vector<StepLevels> all;
  for (const Step& step : program.steps) {
    StepLevels levels = {.input = buffers[step.input],
                         .output = buffers[step.input],
                         .shortcut = buffers[step.output]};
    if (step.kind == StepKind::kConvolution) {
      levels.output =
          LevelsFor(calibration.ranges.at(StepName(step)), !step.relu);
    } else if (step.kind == StepKind::kAveragePool) {
      // Float32 for whoever asks for features; the head reads bytes of it.
      levels.output = LevelsFor(calibration.ranges.at(StepName(step)), false);
    } else if (step.kind == StepKind::kLinear) {
      levels.output = kFloats;
    }
    buffers[step.output] = levels.output;
    all.push_back(levels);
  }
  return all;
}

std::array<double, 3> CentreOf(const PreprocessSpec& preprocess) {
  std::array<double, 3> centre{};
  for (std::size_t c = 0; c < centre.size(); ++c) {
    centre.at(c) = 255.0 * double{preprocess.mean.at(c)};
  }
  return centre;
}

std::array<std::uint8_t, 3> PaddingBytes(const PreprocessSpec& preprocess) {
  std::array<std::uint8_t, 3> bytes{};
  const std::array<double, 3> centre = CentreOf(preprocess);
  for (std::size_t c = 0; c < bytes.size(); ++c) {
    bytes.at(c) = static_cast<std::uint8_t>(
        std::lround(std::clamp(centre.at(c), 0.0, kLargestUnsigned)));
  }
  return bytes;
}

QuantisedStep QuantiseStep(const Step& step, const FoldedStep& folded,
                           const StepLevels& levels,
                           const PreprocessSpec& preprocess, ProductSums sums) {
  const bool reads_picture = step.input == 0;
  const auto channels = static_cast<std::size_t>(step.kind == StepKind::kLinear
                                                     ? step.linear.out_features
                                                     : step.conv.out_channels);
  const std::size_t fan_in = folded.weights.size() / channels;
  const std::size_t pixels =
      step.kind == StepKind::kLinear
          ? 1
          : static_cast<std::size_t>(step.conv.kernel) *
                static_cast<std::size_t>(step.conv.kernel);
  const std::array<double, 3> centre = CentreOf(preprocess);
  const double output = double{levels.output.scale};
  QuantisedStep quantised;
  quantised.weights.resize(folded.weights.size());
  std::vector<double> filter;
  for (std::size_t o = 0; o < channels; ++o) {
    const float* const first = folded.weights.data() + o * fan_in;
    filter.assign(first, first + fan_in);
    if (reads_picture) {
      FoldPixels(preprocess, pixels, filter);
    }
    const double scale = ScaleOf(filter, pixels, sums);
    double bias = folded.bias.empty() ? 0.0 : double{folded.bias[o]};
    std::int8_t* const of_filter = quantised.weights.data() + o * fan_in;
    LevelsOfFilter(filter, scale, of_filter);
    for (std::size_t i = 0; reads_picture && i < fan_in; ++i) {
      // With the rounded weight: a picture of one colour is then exact.
      bias -= scale * static_cast<double>(of_filter[i]) * centre.at(i / pixels);
    }
    quantised.rescale.push_back(
        static_cast<float>(scale * double{levels.input.scale} / output));
    quantised.bias.push_back(static_cast<float>(bias / output));
  }
  return quantised;
}

}  // namespace resnetd
