#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/image/pixels.h"
#include "server/models/architecture.h"
#include "server/models/model_package.h"
#include "server/models/weights.h"

namespace resnetd {

// The plainest possible evaluation of the steps of a network in 8 bits, in
// double and straight from the rules of docs/engine.md: nothing is packed,
// fused or in place. Slow; for small pictures.
class Int8Oracle {
 public:
  // Channels side by side, row after row.
  struct Levels {
    int channels = 0;
    int height = 0;
    int width = 0;
    double scale = 1;
    std::vector<int> values;

    int at(int y, int x, int c) const {
      return values[static_cast<std::size_t>((y * width + x) * channels + c)];
    }
  };

  // `ranges`: of the calibration. Both must outlive it. `narrow_pairs`: the
  // weights of neighbouring channels add up to 128 at most.
  Int8Oracle(const ModelPackage& package,
             const std::map<std::string, double>& ranges, bool narrow_pairs)
      : package_(package), ranges_(ranges), narrow_pairs_(narrow_pairs) {}

  // A picture as it is, with an edge of `padding` pixels of the mean colour.
  Levels Picture(const Pixels& picture, int padding) const {
    Levels levels = {
        3, picture.height + 2 * padding, picture.width + 2 * padding, 1, {}};
    for (int y = -padding; y < picture.height + padding; ++y) {
      for (int x = -padding; x < picture.width + padding; ++x) {
        for (std::size_t c = 0; c < 3; ++c) {
          const bool inside =
              x >= 0 && y >= 0 && x < picture.width && y < picture.height;
          levels.values.push_back(
              inside ? picture.rgb[static_cast<std::size_t>(
                                       3 * (y * picture.width + x)) +
                                   c]
                     : static_cast<int>(std::lround(
                           255.0 * package_.facts.preprocess.mean.at(c))));
        }
      }
    }
    return levels;
  }

  // round(conv(x) + shortcut) in the levels of the convolution's range.
  Levels Convolve(const Levels& x, const ConvLayer& conv,
                  const BatchNormLayer& norm, bool is_stem, bool relu,
                  const Levels* shortcut) const {
    const int padding = is_stem ? 0 : conv.padding;
    const auto side = [&](int size) {
      return (size + 2 * padding - conv.kernel) / conv.stride + 1;
    };
    Levels out = {conv.out_channels,
                  side(x.height),
                  side(x.width),
                  ranges_.at(conv.name) / (relu ? 255.0 : 127.0),
                  {}};
    out.values.resize(
        static_cast<std::size_t>(out.height * out.width * out.channels));
    for (int o = 0; o < conv.out_channels; ++o) {
      const Filter filter = FilterOf(conv, norm, o, is_stem);
      for (int row = 0; row < out.height; ++row) {
        for (int column = 0; column < out.width; ++column) {
          double value = filter.bias + filter.scale * x.scale *
                                           Sum(x, conv, filter, o,
                                               row * conv.stride - padding,
                                               column * conv.stride - padding);
          if (shortcut != nullptr) {
            value += shortcut->scale * shortcut->at(row, column, o);
          }
          const double level = std::nearbyint(value / out.scale);
          out.values[static_cast<std::size_t>(
              (row * out.width + column) * out.channels + o)] =
              static_cast<int>(relu ? std::clamp(level, 0.0, 255.0)
                                    : std::clamp(level, -128.0, 127.0));
        }
      }
    }
    return out;
  }

  // The average over the pixels, one value a channel.
  static std::vector<double> Average(const Levels& x) {
    std::vector<double> sums(static_cast<std::size_t>(x.channels));
    for (std::size_t i = 0; i < x.values.size(); ++i) {
      sums[i % sums.size()] += x.values[i];
    }
    for (double& sum : sums) {
      sum *= x.scale / (x.height * x.width);
    }
    return sums;
  }

  // The bytes of averages.
  Levels Features(const std::vector<double>& averages) const {
    Levels levels = {static_cast<int>(averages.size()),
                     1,
                     1,
                     ranges_.at("features") / 255.0,
                     {}};
    for (const double average : averages) {
      levels.values.push_back(static_cast<int>(
          std::clamp(std::nearbyint(average / levels.scale), 0.0, 255.0)));
    }
    return levels;
  }

  // The logits.
  std::vector<double> Head(const Levels& features,
                           const LinearLayer& head) const {
    const auto fan_in = static_cast<std::size_t>(head.in_features);
    const std::vector<float>& weights = Values(head.name + ".weight");
    std::vector<double> logits;
    for (const float bias : Values(head.name + ".bias")) {
      const auto row =
          weights.begin() + static_cast<std::ptrdiff_t>(logits.size() * fan_in);
      const Filter filter =
          Rounded({row, row + static_cast<std::ptrdiff_t>(fan_in)}, 1);
      std::int64_t sum = 0;
      for (std::size_t i = 0; i < fan_in; ++i) {
        sum += std::int64_t{features.values[i]} * filter.weights[i];
      }
      logits.push_back(double{bias} + filter.scale * features.scale *
                                          static_cast<double>(sum));
    }
    return logits;
  }

 private:
  struct Filter {
    std::vector<int> weights;
    double scale = 1;
    double bias = 0;
  };

  const std::vector<float>& Values(const std::string& name) const {
    return package_.weights.at(name).values;
  }

  Filter FilterOf(const ConvLayer& conv, const BatchNormLayer& norm, int o,
                  bool is_stem) const {
    const auto out = static_cast<std::size_t>(o);
    const std::size_t pixels = static_cast<std::size_t>(conv.kernel) *
                               static_cast<std::size_t>(conv.kernel);
    const std::size_t fan_in =
        pixels * static_cast<std::size_t>(conv.in_channels / conv.groups);
    const double factor =
        double{Values(norm.name + ".weight")[out]} /
        std::sqrt(double{Values(norm.name + ".running_var")[out]} + 1e-5);
    const PreprocessSpec& preprocess = package_.facts.preprocess;
    std::vector<double> real;
    for (std::size_t i = 0; i < fan_in; ++i) {
      // Folding rounds to float32 once.
      double weight = double{static_cast<float>(
          double{Values(conv.name + ".weight")[out * fan_in + i]} * factor)};
      if (is_stem) {
        weight /= 255.0 * double{preprocess.std.at(i / pixels)};
      }
      real.push_back(weight);
    }
    Filter filter = Rounded(real, pixels);
    filter.bias = double{Values(norm.name + ".bias")[out]} -
                  double{Values(norm.name + ".running_mean")[out]} * factor;
    for (std::size_t i = 0; is_stem && i < fan_in; ++i) {
      filter.bias -= filter.scale * filter.weights[i] * 255.0 *
                     double{preprocess.mean.at(i / pixels)};
    }
    return filter;
  }

  // Without a bias. `pixels`: of the window, for each input channel.
  Filter Rounded(const std::vector<double>& real, std::size_t pixels) const {
    double largest = 0;
    for (const double weight : real) {
      largest = std::max(largest, std::fabs(weight));
    }
    for (std::size_t i = 0; narrow_pairs_ && i + pixels < real.size(); ++i) {
      const bool is_first = i / pixels % 2 == 0;
      const double other = real[i + pixels];
      if (is_first && (real[i] < 0) == (other < 0)) {
        largest = std::max(largest, std::fabs(real[i] + other));
      }
    }
    Filter filter;
    filter.scale = largest > 0 ? largest / 127.0 : 1.0;
    for (const double weight : real) {
      filter.weights.push_back(
          static_cast<int>(std::nearbyint(weight / filter.scale)));
    }
    return filter;
  }

  static double Sum(const Levels& x, const ConvLayer& conv,
                    const Filter& filter, int o, int top, int left) {
    const int inputs = conv.in_channels / conv.groups;
    const int first = o / (conv.out_channels / conv.groups) * inputs;
    std::int64_t sum = 0;
    for (int v = std::max(0, -top); v < std::min(conv.kernel, x.height - top);
         ++v) {
      for (int u = std::max(0, -left);
           u < std::min(conv.kernel, x.width - left); ++u) {
        for (int i = 0; i < inputs; ++i) {
          sum += std::int64_t{x.at(top + v, left + u, first + i)} *
                 filter.weights[static_cast<std::size_t>(
                     (i * conv.kernel + v) * conv.kernel + u)];
        }
      }
    }
    return static_cast<double>(sum);
  }

  const ModelPackage& package_;
  const std::map<std::string, double>& ranges_;
  const bool narrow_pairs_;
};

}  // namespace resnetd
