#include "server/nn/trained_tensors.h"

#include <ATen/core/Tensor.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <optional>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/finetune/network_parts.h"

namespace resnetd {
namespace {

bool IsStatistic(absl::string_view name) {
  return absl::EndsWith(name, ".running_mean") ||
         absl::EndsWith(name, ".running_var");
}

// The block that has the tensor `name`, or the number of all blocks.
std::size_t BlockOf(const Network& network, absl::string_view name) {
  const auto found = std::find_if(network.blocks.begin(), network.blocks.end(),
                                  [name](const ResidualBlock& block) {
                                    return absl::StartsWith(
                                        name, absl::StrCat(block.name, "."));
                                  });
  return static_cast<std::size_t>(found - network.blocks.begin());
}

// The kernels and scales of the main paths.
absl::flat_hash_set<std::string> MainWeights(const Network& network) {
  absl::flat_hash_set<std::string> names;
  for (const ResidualBlock& block : network.blocks) {
    for (const ConvUnit& unit : block.main_path) {
      names.insert(unit.conv.name + ".weight");
      if (unit.norm) {
        names.insert(unit.norm->name + ".weight");
      }
    }
  }
  return names;
}

at::Tensor Find(const std::vector<NamedTensor>& state,
                const std::string& name) {
  const auto found = std::find_if(
      state.begin(), state.end(),
      [&](const NamedTensor& entry) { return entry.name == name; });
  return found == state.end() ? at::Tensor() : found->tensor;
}

}  // namespace

std::vector<Parameter> TrainedParameters(const Network& network,
                                         const std::vector<NamedTensor>& state,
                                         const std::vector<bool>& trained) {
  std::vector<Parameter> parameters;
  for (const NamedTensor& entry : state) {
    const std::size_t part = PartOf(network, entry.name);
    if (trained[part] && !IsStatistic(entry.name)) {
      entry.tensor.set_requires_grad(true);
      // Weights of batch norms and all biases have one dimension.
      parameters.push_back({.name = entry.name,
                            .tensor = entry.tensor,
                            .part = part,
                            .decays = entry.tensor.dim() > 1});
    }
  }
  return parameters;
}

std::vector<at::Tensor> FirstValues(const TrainerOptions& options,
                                    const std::vector<Parameter>& parameters) {
  const c10::NoGradGuard unrecorded;
  const std::size_t head = options.trained_parts.size() - 1;
  std::vector<at::Tensor> values(parameters.size());
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (options.l2_sp > 0 && parameters[i].part != head) {
      values[i] = parameters[i].tensor.clone();
    }
  }
  return values;
}

std::vector<at::Tensor> MovingStatistics(
    const TrainerOptions& options, const Network& network,
    const std::vector<NamedTensor>& state) {
  std::vector<at::Tensor> statistics;
  for (const NamedTensor& entry : state) {
    if (options.norms == NormStatistics::kTrain && IsStatistic(entry.name) &&
        options.trained_parts[PartOf(network, entry.name)]) {
      statistics.push_back(entry.tensor);
    }
  }
  return statistics;
}

std::vector<bool> TrainedBlocks(const TrainerOptions& options,
                                const Network& network) {
  std::vector<bool> trained;
  trained.reserve(network.blocks.size());
  for (const ResidualBlock& block : network.blocks) {
    trained.push_back(
        options.trained_parts[static_cast<std::size_t>(block.stage)]);
  }
  return trained;
}

std::size_t FirstTrained(const TrainerOptions& options) {
  const std::vector<bool>& trained = options.trained_parts;
  return static_cast<std::size_t>(
      std::find(trained.begin(), trained.end(), true) - trained.begin());
}

ObservedNetwork Observed(const TrainerOptions& options, const Network& network,
                         const std::vector<NamedTensor>& state,
                         const std::vector<Parameter>& parameters) {
  ObservedNetwork observed{.identity = {},
                           .trained = TrainedBlocks(options, network),
                           .last_scales = {},
                           .block_of = {},
                           .weighs_main = {}};
  const absl::flat_hash_set<std::string> main = MainWeights(network);
  for (const ResidualBlock& block : network.blocks) {
    observed.identity.push_back(!block.shortcut.has_value());
    // In a v2 block the convolution behind it scales as well.
    const std::optional<BatchNormLayer>& norm = block.main_path.back().norm;
    observed.last_scales.push_back(network.version == BlockVersion::kV1 && norm
                                       ? Find(state, norm->name + ".weight")
                                       : at::Tensor());
  }
  for (const Parameter& parameter : parameters) {
    observed.block_of.push_back(BlockOf(network, parameter.name));
    observed.weighs_main.push_back(main.contains(parameter.name));
  }
  return observed;
}

}  // namespace resnetd
