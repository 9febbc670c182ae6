#include "server/models/feature_extractor.h"

namespace resnetd {
namespace {

int Side(int side, const ConvLayer& conv) {
  return (side + 2 * conv.padding - conv.kernel) / conv.stride + 1;
}

}  // namespace

int StageCount(const Network& network) {
  return network.blocks.empty() ? 0 : network.blocks.back().stage;
}

FeatureShape ShapeOfFeatures(const Network& network, int crop, int stages) {
  int channels = network.stem.conv.out_channels;
  int side = Side(crop, network.stem.conv);
  if (network.max_pool) {
    side = (side + 2 - 3) / 2 + 1;
  }
  for (const ResidualBlock& block : network.blocks) {
    if (block.stage > stages) {
      return {channels, side, side};
    }
    for (const ConvUnit& unit : block.main_path) {
      side = Side(side, unit.conv);
      channels = unit.conv.out_channels;
    }
  }
  return {channels, 1, 1};
}

}  // namespace resnetd
