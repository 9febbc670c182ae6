#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/image/pixels.h"
#include "server/models/architecture.h"
#include "server/models/feature_extractor.h"
#include "server/models/model_package.h"
#include "server/models/weights.h"

namespace resnetd {

// The plainest possible evaluation of a network, in double, straight from its
// definition: nothing is folded, fused or reordered. Slow; for small pictures.
class NaiveNetwork {
 public:
  // `package` must outlive it.
  explicit NaiveNetwork(const ModelPackage& package) : package_(package) {}

  std::vector<double> Logits(const Pixels& picture) const {
    return Head(Stages(picture, StageCount(package_.network)));
  }

  // As FeatureExtractor::Features().
  std::vector<double> Features(const Pixels& picture, int stages) const {
    const Planes x = Stages(picture, stages);
    const auto channels = static_cast<std::size_t>(x.channels);
    const std::size_t pixels = x.values.size() / channels;
    const bool is_average = stages == StageCount(package_.network);
    std::vector<double> features(is_average ? channels : x.values.size());
    for (std::size_t c = 0; c < channels; ++c) {
      for (std::size_t i = 0; i < pixels; ++i) {
        const double value = x.values[c * pixels + i];
        if (is_average) {
          features[c] += value / static_cast<double>(pixels);
        } else {
          features[i * channels + c] = value;
        }
      }
    }
    return features;
  }

 private:
  // Channels of rows of pixels.
  struct Planes {
    int channels = 0;
    int height = 0;
    int width = 0;
    std::vector<double> values;

    double& at(int c, int y, int x) { return values[Index(c, y, x)]; }
    double at(int c, int y, int x) const { return values[Index(c, y, x)]; }
    std::size_t Index(int c, int y, int x) const {
      return static_cast<std::size_t>((c * height + y) * width + x);
    }
  };

  // The stem and the first `stages` stages, with what follows the last one.
  Planes Stages(const Pixels& picture, int stages) const {
    const Network& network = package_.network;
    const bool v1 = network.version == BlockVersion::kV1;
    Planes x = Convolve(Normalised(picture), network.stem.conv);
    if (v1) {
      x = Relu(Norm(std::move(x), *network.stem.norm));
    }
    if (network.max_pool) {
      x = MaxPool(x);
    }
    for (const ResidualBlock& block : network.blocks) {
      if (block.stage > stages) {
        return x;
      }
      x = v1 ? BlockV1(x, block) : BlockV2(x, block);
    }
    if (network.final_norm) {
      x = Relu(Norm(std::move(x), *network.final_norm));
    }
    return x;
  }

  static Planes Zeros(int channels, int height, int width) {
    return {channels, height, width,
            std::vector<double>(
                static_cast<std::size_t>(channels * height * width))};
  }

  const std::vector<float>& Values(const std::string& name) const {
    return package_.weights.at(name).values;
  }

  Planes Normalised(const Pixels& picture) const {
    const PreprocessSpec& spec = package_.facts.preprocess;
    Planes out = Zeros(3, picture.height, picture.width);
    const std::size_t pixels = out.values.size() / 3;
    for (std::size_t i = 0; i < pixels; ++i) {
      for (std::size_t c = 0; c < 3; ++c) {
        out.values[c * pixels + i] =
            (picture.rgb[3 * i + c] / 255.0 - spec.mean[c]) / spec.std[c];
      }
    }
    return out;
  }

  // The sum of one window; what lies outside the picture is zero.
  static double Window(const Planes& x, const ConvLayer& conv,
                       const std::vector<float>& weights, int o, int top,
                       int left) {
    const int inputs = conv.in_channels / conv.groups;
    const int first = o / (conv.out_channels / conv.groups) * inputs;
    double sum = 0;
    for (int i = 0; i < inputs; ++i) {
      for (int v = 0; v < conv.kernel; ++v) {
        for (int u = 0; u < conv.kernel; ++u) {
          const int row = top + v;
          const int column = left + u;
          if (row < 0 || row >= x.height || column < 0 || column >= x.width) {
            continue;
          }
          const int index =
              ((o * inputs + i) * conv.kernel + v) * conv.kernel + u;
          sum += x.at(first + i, row, column) *
                 double{weights[static_cast<std::size_t>(index)]};
        }
      }
    }
    return sum;
  }

  Planes Convolve(const Planes& x, const ConvLayer& conv) const {
    const std::vector<float>& weights = Values(conv.name + ".weight");
    const auto side = [&](int size) {
      return (size + 2 * conv.padding - conv.kernel) / conv.stride + 1;
    };
    Planes out = Zeros(conv.out_channels, side(x.height), side(x.width));
    for (int o = 0; o < out.channels; ++o) {
      for (int row = 0; row < out.height; ++row) {
        for (int column = 0; column < out.width; ++column) {
          out.at(o, row, column) =
              Window(x, conv, weights, o, row * conv.stride - conv.padding,
                     column * conv.stride - conv.padding);
        }
      }
    }
    return out;
  }

  Planes Norm(Planes x, const BatchNormLayer& norm) const {
    const auto& weight = Values(norm.name + ".weight");
    const auto& bias = Values(norm.name + ".bias");
    const auto& mean = Values(norm.name + ".running_mean");
    const auto& variance = Values(norm.name + ".running_var");
    const std::size_t pixels =
        x.values.size() / static_cast<std::size_t>(x.channels);
    for (std::size_t i = 0; i < x.values.size(); ++i) {
      const std::size_t c = i / pixels;
      x.values[i] = (x.values[i] - double{mean[c]}) /
                        std::sqrt(double{variance[c]} + 1e-5) *
                        double{weight[c]} +
                    double{bias[c]};
    }
    return x;
  }

  static Planes Relu(Planes x) {
    for (double& value : x.values) {
      value = std::max(value, 0.0);
    }
    return x;
  }

  static Planes Sum(Planes a, const Planes& b) {
    for (std::size_t i = 0; i < a.values.size(); ++i) {
      a.values[i] += b.values[i];
    }
    return a;
  }

  static Planes MaxPool(const Planes& x) {
    Planes out =
        Zeros(x.channels, (x.height - 1) / 2 + 1, (x.width - 1) / 2 + 1);
    for (int c = 0; c < out.channels; ++c) {
      for (int row = 0; row < out.height; ++row) {
        for (int column = 0; column < out.width; ++column) {
          double largest = -INFINITY;
          for (int v = std::max(2 * row - 1, 0);
               v <= std::min(2 * row + 1, x.height - 1); ++v) {
            for (int u = std::max(2 * column - 1, 0);
                 u <= std::min(2 * column + 1, x.width - 1); ++u) {
              largest = std::max(largest, x.at(c, v, u));
            }
          }
          out.at(c, row, column) = largest;
        }
      }
    }
    return out;
  }

  Planes BlockV1(const Planes& input, const ResidualBlock& block) const {
    Planes x = input;
    for (std::size_t i = 0; i < block.main_path.size(); ++i) {
      const ConvUnit& unit = block.main_path[i];
      x = Norm(Convolve(x, unit.conv), *unit.norm);
      if (i + 1 < block.main_path.size()) {
        x = Relu(std::move(x));
      }
    }
    if (!block.shortcut) {
      return Relu(Sum(std::move(x), input));
    }
    return Relu(Sum(std::move(x), Norm(Convolve(input, block.shortcut->conv),
                                       *block.shortcut->norm)));
  }

  Planes BlockV2(const Planes& input, const ResidualBlock& block) const {
    Planes x = input;
    Planes shortcut = input;
    for (std::size_t i = 0; i < block.main_path.size(); ++i) {
      const ConvUnit& unit = block.main_path[i];
      x = Relu(Norm(std::move(x), *unit.norm));
      if (i == 0 && block.shortcut) {
        shortcut = Convolve(x, block.shortcut->conv);
      }
      x = Convolve(x, unit.conv);
    }
    return Sum(std::move(x), shortcut);
  }

  std::vector<double> Head(const Planes& x) const {
    const LinearLayer& head = package_.network.head;
    const auto& weights = Values(head.name + ".weight");
    const auto& bias = Values(head.name + ".bias");
    const std::size_t pixels =
        x.values.size() / static_cast<std::size_t>(x.channels);
    const auto inputs = static_cast<std::size_t>(head.in_features);
    std::vector<double> logits(bias.begin(), bias.end());
    for (std::size_t o = 0; o < logits.size(); ++o) {
      for (std::size_t i = 0; i < x.values.size(); ++i) {
        logits[o] += x.values[i] / static_cast<double>(pixels) *
                     double{weights[o * inputs + i / pixels]};
      }
    }
    return logits;
  }

  const ModelPackage& package_;
};

}  // namespace resnetd
