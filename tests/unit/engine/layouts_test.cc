#include "server/engine/layouts.h"

#include <cstddef>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "server/engine/descs.h"
#include "server/engine/precision.h"
#include "server/engine/program.h"
#include "server/models/architecture.h"

namespace resnetd {
namespace {

Network NetworkCalled(const std::string& name) {
  return BuildNetwork(FindArchitecture(name, 10).value());
}

bool AllAre(FormatTag tag, const std::vector<FormatTag>& layouts) {
  for (const FormatTag layout : layouts) {
    if (layout != tag) {
      return false;
    }
  }
  return true;
}

TEST(LayoutsTest, NarrowVectorsGetBlocksInFloat32BetweenPictureAndLogits) {
  for (const std::string name :
       {"resnet18", "resnet50", "resnet50_v2", "cifar_resnet20_v2"}) {
    const Program program = BuildProgram(NetworkCalled(name), 64);
    const std::vector<FormatTag> layouts =
        LayoutsOf(program, Precision::kFloat32, /*wide_vectors=*/false);
    ASSERT_EQ(layouts.size(), program.buffers.size());
    for (std::size_t i = 0; i < layouts.size(); ++i) {
      // Three channels and ten classes do not fill blocks.
      const bool is_blocked = i != 0 && i != program.output;
      EXPECT_EQ(layouts[i], is_blocked ? FormatTag::nChw8c : FormatTag::nhwc)
          << name << " buffer " << i;
    }
  }
}

TEST(LayoutsTest, WideVectorsAndOtherPrecisionsGetChannelsInnermost) {
  const Program program = BuildProgram(NetworkCalled("resnet50"), 64);
  EXPECT_TRUE(
      AllAre(FormatTag::nhwc, LayoutsOf(program, Precision::kFloat32, true)));
  EXPECT_TRUE(
      AllAre(FormatTag::nhwc, LayoutsOf(program, Precision::kInt8, false)));
  EXPECT_TRUE(
      AllAre(FormatTag::nhwc, LayoutsOf(program, Precision::kBfloat16, false)));
}

TEST(LayoutsTest, NetworksWithGroupsGetChannelsInnermost) {
  const Program program = BuildProgram(NetworkCalled("resnext50_32x4d"), 64);
  EXPECT_TRUE(
      AllAre(FormatTag::nhwc, LayoutsOf(program, Precision::kFloat32, false)));
}

TEST(LayoutsTest, FeaturesThatAreReadAsTheyLieGetChannelsInnermost) {
  const Network network = NetworkCalled("resnet18");
  EXPECT_TRUE(
      AllAre(FormatTag::nhwc, LayoutsOf(BuildFeatureProgram(network, 64, 3),
                                        Precision::kFloat32, false)));
  // Averages are one pixel each.
  EXPECT_FALSE(
      AllAre(FormatTag::nhwc, LayoutsOf(BuildFeatureProgram(network, 64, 4),
                                        Precision::kFloat32, false)));
}

TEST(LayoutsTest, ChannelsThatDoNotFillTheirBlocksStayInnermost) {
  Program program = BuildProgram(NetworkCalled("cifar_resnet8"), 32);
  program.buffers[2].channels = 15;
  EXPECT_TRUE(
      AllAre(FormatTag::nhwc, LayoutsOf(program, Precision::kFloat32, false)));
}

}  // namespace
}  // namespace resnetd
