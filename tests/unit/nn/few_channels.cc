#include "tests/unit/nn/few_channels.h"

#include <ATen/Context.h>
#include <ATen/Version.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace resnetd {
namespace {

constexpr int kLeastChannels = 8;

bool IsNarrowProjection(const ConvUnit& unit) {
  const ConvLayer& conv = unit.conv;
  return conv.kernel == 1 && conv.stride > 1 &&
         conv.in_channels / conv.groups < kLeastChannels;
}

class FewChannels final : public testing::Environment {
 public:
  void SetUp() override {
    if (at::get_cpu_capability().rfind("AVX512", 0) != 0) {
      at::globalContext().setUserEnabledMkldnn(false);
    }
  }
};

const testing::Environment* const kFewChannels =
    testing::AddGlobalTestEnvironment(new FewChannels);

}  // namespace

bool HasNarrowProjection(const Network& network) {
  return IsNarrowProjection(network.stem) ||
         std::any_of(
             network.blocks.begin(), network.blocks.end(),
             [](const ResidualBlock& block) {
               return std::any_of(block.main_path.begin(),
                                  block.main_path.end(), IsNarrowProjection) ||
                      (block.shortcut && IsNarrowProjection(*block.shortcut));
             });
}

OneDnnFor::OneDnnFor(const Network& network)
    : was_on_(at::globalContext().userEnabledMkldnn()) {
  at::globalContext().setUserEnabledMkldnn(was_on_ ||
                                           !HasNarrowProjection(network));
}

OneDnnFor::~OneDnnFor() { at::globalContext().setUserEnabledMkldnn(was_on_); }

}  // namespace resnetd
