#include "server/finetune/probe_cost.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/base/error.h"
#include "server/models/memory_estimate.h"

namespace resnetd {
namespace {

constexpr std::int64_t kDoubleBytes = sizeof(double);
// As for trainings: outputs of convolution and batch norm wait for the backward
// pass, and four of the largest are in hand.
constexpr std::int64_t kKeptOutputs = 2;
constexpr std::int64_t kBuffers = 4;
// Gradients that are kept of each block: of both paths, of the input, of the
// sum.
constexpr std::int64_t kKeptGradients = 4;

// What one picture is on its way through a network, in values.
struct Sizes {
  double multiply_adds = 0;
  std::int64_t outputs = 0;
  std::int64_t largest = 0;
  // The larger of input and sum, of all blocks together.
  std::int64_t blocks = 0;
};

class SizeCounter {
 public:
  Sizes Count(const Network& network, std::int64_t side) {
    side = Add(network.stem.conv, side);
    side = network.max_pool ? Divided(side, 2) : side;
    for (const ResidualBlock& block : network.blocks) {
      const std::int64_t input =
          block.main_path.front().conv.in_channels * side * side;
      if (block.shortcut) {
        Add(block.shortcut->conv, side);
      }
      for (const ConvUnit& unit : block.main_path) {
        side = Add(unit.conv, side);
      }
      const std::int64_t sum =
          block.main_path.back().conv.out_channels * side * side;
      sizes_.blocks += std::max(input, sum);
    }
    sizes_.multiply_adds += static_cast<double>(network.head.in_features) *
                            network.head.out_features;
    return sizes_;
  }

 private:
  static std::int64_t Divided(std::int64_t side, int stride) {
    return (side + stride - 1) / stride;
  }

  std::int64_t Add(const ConvLayer& conv, std::int64_t side) {
    side = Divided(side, conv.stride);
    const std::int64_t values = conv.out_channels * side * side;
    sizes_.multiply_adds += static_cast<double>(values) * conv.kernel *
                            conv.kernel * conv.in_channels / conv.groups;
    sizes_.outputs += values;
    sizes_.largest = std::max(sizes_.largest, values);
    return side;
  }

  Sizes sizes_;
};

std::string Mebibytes(std::int64_t bytes) {
  return absl::StrFormat("%.1f MiB", static_cast<double>(bytes) / (1 << 20));
}

absl::Status TooCostly(absl::string_view limit_name, double limit, double value,
                       absl::string_view field, const std::string& text) {
  return Error(absl::StatusCode::kInvalidArgument, Reason::kLimitExceeded, text)
      .Metadata("limit_name", limit_name)
      .Metadata("limit", absl::StrFormat("%.0f", limit))
      .Metadata("value", absl::StrFormat("%.0f", value))
      .Violation(field, text);
}

}  // namespace

double WaysBack(int blocks, int main_paths) {
  double ways = 1;
  for (int i = 1; i <= main_paths; ++i) {
    ways = ways * (blocks - main_paths + i) / i;
  }
  return std::round(ways);
}

bool GoesAllWays(int blocks, int passes) {
  return std::ldexp(1.0, blocks) <= passes;
}

int PassesOfLength(int blocks, int passes) {
  return std::max(1, passes / (blocks + 1));
}

std::int64_t ProbeWork(int blocks, const ProbeSettings& settings) {
  std::int64_t work = kBackwardWork;
  if (settings.check_differences) {
    // Two paths, shifted there and back.
    work += 4 * kForwardWork * blocks;
  }
  if (settings.split_parameters) {
    work += kBackwardWork * (1 + 2 * std::int64_t{blocks});
  }
  if (settings.path_passes > 0) {
    double ways = 0;
    const int most = GoesAllWays(blocks, settings.path_passes)
                         ? settings.path_passes
                         : PassesOfLength(blocks, settings.path_passes);
    for (int length = 0; length <= blocks; ++length) {
      ways += std::min(WaysBack(blocks, length), static_cast<double>(most));
    }
    work += kBackwardWork * (1 + static_cast<std::int64_t>(ways));
  }
  return work;
}

double MultiplyAdds(const Network& network, int side) {
  return SizeCounter().Count(network, side).multiply_adds;
}

absl::Status CheckProbeCost(const Network& network, int side, int examples,
                            const ProbeSettings& settings) {
  const double picture = MultiplyAdds(network, side);
  const double pass = picture * examples;
  if (pass > kMostPassOperations) {
    const std::string text = absl::StrFormat(
        "%d pictures of %.2g operations each are more than a probe takes at "
        "once (%.2g): send at most %.0f",
        examples, picture, kMostPassOperations,
        std::floor(kMostPassOperations / picture));
    return TooCostly("probe-pass-operations", kMostPassOperations, pass,
                     "examples", text);
  }
  const std::int64_t passes =
      ProbeWork(static_cast<int>(network.blocks.size()), settings);
  const double all = pass * static_cast<double>(passes);
  if (all <= kMostProbeOperations) {
    return absl::OkStatus();
  }
  const double most =
      std::floor(kMostProbeOperations / picture / static_cast<double>(passes));
  const std::string text = absl::StrFormat(
      "the probe would cost %.2g operations (%d pictures, the work of %d "
      "passes), at most %.2g are allowed: %sleave fd_check or split_parameters "
      "out, or lower path_passes",
      all, examples, passes, kMostProbeOperations,
      most < 1 ? "" : absl::StrFormat("send at most %.0f pictures, ", most));
  return TooCostly("probe-operations", kMostProbeOperations, all,
                   "header.options", text);
}

ProbeMemory EstimateProbeMemory(const Network& network, int side, int examples,
                                const ProbeSettings& settings) {
  const Sizes sizes = SizeCounter().Count(network, side);
  const std::int64_t floats = FloatBytes(network);
  // The file and its tensors, then the tensors and the copy in double
  // precision; gradients of all of it by both paths, whole, and one that is
  // made.
  const std::int64_t copies = 1 + 2 + (settings.split_parameters ? 2 * 5 : 2);
  return {
      .network = copies * floats,
      .activations = kDoubleBytes * examples *
                     (kKeptOutputs * sizes.outputs + kBuffers * sizes.largest +
                      kKeptGradients * sizes.blocks)};
}

absl::Status CheckProbeMemory(const ProbeMemory& needed,
                              std::optional<std::int64_t> available) {
  if (!available || needed.total() <= *available) {
    return absl::OkStatus();
  }
  return Error(absl::StatusCode::kResourceExhausted, Reason::kOutOfMemory,
               absl::StrCat("the probe needs about ", Mebibytes(needed.total()),
                            " of memory (network ", Mebibytes(needed.network),
                            ", activations ", Mebibytes(needed.activations),
                            "), ", Mebibytes(*available),
                            " are there: send fewer pictures, or try again "
                            "when the server has less to do"))
      .Metadata("needed", absl::StrCat(needed.total()))
      .Metadata("free", absl::StrCat(*available));
}

}  // namespace resnetd
