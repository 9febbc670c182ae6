#include "tests/unit/nn/few_channels.h"

#include <ATen/Context.h>
#include <gtest/gtest.h>

#include <string>

#include "server/models/architecture.h"

namespace resnetd {
namespace {

// Two stages; the second begins with a projection of `planes` channels, times
// four where blocks are bottlenecks.
Network Narrow(int planes, BlockKind block = BlockKind::kBasic,
               int groups = 1) {
  return BuildNetwork({.name = "narrow",
                       .block = block,
                       .stem = StemKind::kCifar,
                       .stage_blocks = {1, 1},
                       .base_planes = planes,
                       .groups = groups,
                       .num_classes = 2});
}

TEST(FewChannelsTest, AProjectionOfLessThanEightIsNarrow) {
  EXPECT_TRUE(HasNarrowProjection(Narrow(7)));
  EXPECT_FALSE(HasNarrowProjection(Narrow(8)));
  EXPECT_FALSE(HasNarrowProjection(Narrow(9)));
  // Its projection reads four times as many.
  EXPECT_TRUE(HasNarrowProjection(Narrow(1, BlockKind::kBottleneck)));
  EXPECT_FALSE(HasNarrowProjection(Narrow(2, BlockKind::kBottleneck)));
}

TEST(FewChannelsTest, OnlyStridedConvolutionsOfOnePixelCount) {
  Network network = Narrow(4);
  network.blocks[1].shortcut->conv.stride = 1;
  EXPECT_FALSE(HasNarrowProjection(network));
  network.blocks[1].main_path[0].conv.stride = 2;
  EXPECT_FALSE(HasNarrowProjection(network)) << "3x3";
  network.blocks[1].main_path[0].conv.kernel = 1;
  EXPECT_TRUE(HasNarrowProjection(network));
}

TEST(FewChannelsTest, EachGroupReadsItsShare) {
  Network network = Narrow(8);
  network.blocks[1].shortcut->conv.groups = 2;
  EXPECT_TRUE(HasNarrowProjection(network));
}

TEST(FewChannelsTest, NoNetworkThatAServerTrainsHasOne) {
  for (const std::string& name : KnownArchitectures()) {
    const auto architecture = FindArchitecture(name, 2);
    ASSERT_TRUE(architecture.ok()) << architecture.status();
    EXPECT_FALSE(HasNarrowProjection(BuildNetwork(*architecture))) << name;
  }
}

TEST(FewChannelsTest, OneDnnIsThereForSafeNetworksAndForTheirScope) {
  at::Context& context = at::globalContext();
  const bool before = context.userEnabledMkldnn();
  for (const bool is_on : {false, true}) {
    context.setUserEnabledMkldnn(is_on);
    {
      const OneDnnFor scope(Narrow(7));
      EXPECT_EQ(context.userEnabledMkldnn(), is_on);
    }
    {
      const OneDnnFor scope(Narrow(8));
      EXPECT_TRUE(context.userEnabledMkldnn());
    }
    EXPECT_EQ(context.userEnabledMkldnn(), is_on);
  }
  context.setUserEnabledMkldnn(before);
}

}  // namespace
}  // namespace resnetd
