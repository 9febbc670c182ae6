#include "server/finetune/network_parts.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace resnetd {
namespace {

int StageCount(const Network& network) {
  return network.blocks.empty() ? 0 : network.blocks.back().stage;
}

bool BelongsTo(absl::string_view tensor, absl::string_view layer) {
  return absl::StartsWith(tensor, layer) && tensor.size() > layer.size() &&
         tensor[layer.size()] == '.';
}

}  // namespace

std::vector<std::string> PartNames(const Network& network) {
  std::vector<std::string> names = {"stem"};
  for (int stage = 1; stage <= StageCount(network); ++stage) {
    names.push_back(absl::StrCat("layer", stage));
  }
  names.emplace_back("head");
  return names;
}

std::size_t PartOf(const Network& network, absl::string_view name) {
  const int stages = StageCount(network);
  if (BelongsTo(name, network.head.name)) {
    return static_cast<std::size_t>(stages) + 1;
  }
  if (network.final_norm && BelongsTo(name, network.final_norm->name)) {
    return static_cast<std::size_t>(stages);
  }
  for (const ResidualBlock& block : network.blocks) {
    if (BelongsTo(name, block.name)) {
      return static_cast<std::size_t>(block.stage);
    }
  }
  return 0;
}

std::vector<std::string> BlockLabels(const Network& network) {
  std::vector<std::string> labels;
  labels.reserve(network.blocks.size());
  int stage = 0;
  int index = 0;
  for (const ResidualBlock& block : network.blocks) {
    index = block.stage == stage ? index + 1 : 0;
    stage = block.stage;
    labels.push_back(absl::StrFormat("layer%d.%02d", stage, index));
  }
  return labels;
}

}  // namespace resnetd
