#include "server/nn/lab/lab_network.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "server/finetune/head.h"

namespace resnetd {
namespace {

constexpr int kStages = 3;
constexpr int kLayersOfStageBlocks = 6;
constexpr int kPlanes = 16;
constexpr std::size_t kConvolutionRank = 4;

}  // namespace

int LayersOf(const LabSpec& spec) {
  return kLayersOfStageBlocks * spec.stage_blocks + 2;
}

Network LabNetwork(const LabSpec& spec, int classes) {
  Architecture architecture{.name = "lab",
                            .version = spec.version,
                            .stem = StemKind::kCifar,
                            .base_planes = kPlanes,
                            .num_classes = classes};
  architecture.stage_blocks.assign(kStages, spec.stage_blocks);
  Network network = BuildNetwork(architecture);
  if (!spec.has_norms) {
    network.stem.norm.reset();
  }
  for (ResidualBlock& block : network.blocks) {
    if (!spec.has_shortcuts) {
      block.shortcut.reset();
    }
    if (!spec.has_norms) {
      for (ConvUnit& unit : block.main_path) {
        unit.norm.reset();
      }
      if (block.shortcut) {
        block.shortcut->norm.reset();
      }
    }
  }
  return network;
}

Weights LabWeights(const LabSpec& spec, const Network& network) {
  TensorList tensors = InitialWeights(network, spec.seed, spec.zero_residual);
  for (auto& [name, tensor] : tensors) {
    if (tensor.shape.size() == kConvolutionRank) {
      for (float& value : tensor.values) {
        value *= static_cast<float>(spec.gain);
      }
    }
  }
  return ToWeights(tensors);
}

DeepenedNetwork Deepened(const LabSpec& spec, const Network& network,
                         const Weights& weights, int extra, float scale) {
  LabSpec deeper = spec;
  deeper.stage_blocks += extra;
  DeepenedNetwork made{.network = LabNetwork(deeper, network.head.out_features),
                       .weights = Weights::FromTensors({})};
  absl::flat_hash_set<std::string> known;
  for (const TensorSpec& tensor : TensorSpecs(network)) {
    known.insert(tensor.name);
  }
  absl::flat_hash_map<std::string, Tensor> tensors;
  for (const auto& [name, tensor] :
       InitialWeights(made.network, deeper.seed, false)) {
    tensors[name] = known.contains(name) ? weights.at(name) : tensor;
  }
  for (const ResidualBlock& block : made.network.blocks) {
    const std::string last = block.main_path.back().norm->name + ".weight";
    if (!known.contains(last)) {
      std::vector<float>& values = tensors[last].values;
      std::fill(values.begin(), values.end(), scale);
    }
  }
  made.weights = Weights::FromTensors(std::move(tensors));
  return made;
}

}  // namespace resnetd
