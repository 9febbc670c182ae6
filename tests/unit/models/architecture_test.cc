#include "server/models/architecture.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/base/error.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Architecture Find(const std::string& name, int num_classes = 1000) {
  absl::StatusOr<Architecture> found = FindArchitecture(name, num_classes);
  EXPECT_TRUE(found.ok()) << found.status();
  return *found;
}

// FNV-1a over "name:dim,dim;" of every entry, as the same few lines of Python
// compute it over torchvision's state_dict().
std::uint64_t Fingerprint(const std::vector<TensorSpec>& specs) {
  std::uint64_t hash = 0xCBF29CE484222325U;
  for (const TensorSpec& spec : specs) {
    for (const char c :
         absl::StrCat(spec.name, ":", absl::StrJoin(spec.shape, ","), ";")) {
      hash ^= static_cast<unsigned char>(c);
      hash *= 0x100000001B3U;
    }
  }
  return hash;
}

struct Row {
  std::string name;
  std::size_t entries;
  std::int64_t parameters;
  std::uint64_t fingerprint;
};

void PrintTo(const Row& row, std::ostream* out) { *out << row.name; }

class TorchvisionTest : public testing::TestWithParam<Row> {};

// Made with torchvision 0.26 on torch 2.11.
INSTANTIATE_TEST_SUITE_P(
    All, TorchvisionTest,
    testing::Values(
        Row{"resnet18", 122, 11689512, 0x42EF49477F0EF3FAU},
        Row{"resnet34", 218, 21797672, 0xCD0241CEB3E84652U},
        Row{"resnet50", 320, 25557032, 0x0974D5702AD8F862U},
        Row{"resnet101", 626, 44549160, 0xE0C78AC51F33B58BU},
        Row{"resnet152", 932, 60192808, 0x16F7A6E94A9BE240U},
        Row{"wide_resnet50_2", 320, 68883240, 0x0F5247C9C2BD3E52U},
        Row{"wide_resnet101_2", 626, 126886696, 0x1358248903FE4507U},
        Row{"resnext50_32x4d", 320, 25028904, 0xF5316923406B7CA7U},
        Row{"resnext101_32x8d", 626, 88791336, 0xBCA4BC795A511E7CU},
        Row{"resnext101_64x4d", 626, 83455272, 0x0C07C4090E4D6851U}),
    [](const auto& row) { return row.param.name; });

TEST_P(TorchvisionTest, NamesShapesAndOrderEqualItsStateDict) {
  const Network network = BuildNetwork(Find(GetParam().name));
  const std::vector<TensorSpec> specs = TensorSpecs(network);
  EXPECT_EQ(specs.size(), GetParam().entries);
  EXPECT_EQ(ParameterCount(network), GetParam().parameters);
  EXPECT_EQ(Fingerprint(specs), GetParam().fingerprint);
}

TEST(ArchitectureTest, FindsEveryNameItOffers) {
  std::set<std::string> seen;
  for (const std::string& name : KnownArchitectures()) {
    EXPECT_EQ(Find(name, 7).name, name);
    EXPECT_EQ(Find(name, 7).num_classes, 7);
    EXPECT_TRUE(seen.insert(name).second) << name << " is listed twice";
  }
}

// 0.27 M, 0.85 M and 1.7 M parameters in the paper, whose shortcuts have none:
// a projection shortcut adds 2,752 of them.
TEST(ArchitectureTest, CifarNetworksHaveThePublishedNumberOfParameters) {
  EXPECT_EQ(ParameterCount(BuildNetwork(Find("cifar_resnet20", 10))),
            269'722 + 2'752);
  EXPECT_EQ(ParameterCount(BuildNetwork(Find("cifar_resnet56", 10))),
            853'018 + 2'752);
  EXPECT_EQ(ParameterCount(BuildNetwork(Find("cifar_resnet110", 10))),
            1'727'962 + 2'752);
}

TEST(ArchitectureTest, CifarNetworkReadsAsWritten) {
  std::vector<std::string> names;
  for (const TensorSpec& spec :
       TensorSpecs(BuildNetwork(Find("cifar_resnet8", 10)))) {
    if (spec.shape.size() != 1 && !spec.optional_counter) {
      names.push_back(
          absl::StrCat(spec.name, " ", absl::StrJoin(spec.shape, "x")));
    }
  }
  EXPECT_THAT(
      names,
      ElementsAre(
          "conv1.weight 16x3x3x3", "layer1.0.conv1.weight 16x16x3x3",
          "layer1.0.conv2.weight 16x16x3x3", "layer2.0.conv1.weight 32x16x3x3",
          "layer2.0.conv2.weight 32x32x3x3",
          "layer2.0.downsample.0.weight 32x16x1x1",
          "layer3.0.conv1.weight 64x32x3x3", "layer3.0.conv2.weight 64x64x3x3",
          "layer3.0.downsample.0.weight 64x32x1x1", "fc.weight 10x64"));
}

TEST(ArchitectureTest, CifarStemKeepsTheSize) {
  const Network network = BuildNetwork(Find("cifar_resnet14", 10));
  EXPECT_EQ(network.stem.conv.kernel, 3);
  EXPECT_EQ(network.stem.conv.stride, 1);
  EXPECT_EQ(network.stem.conv.padding, 1);
  EXPECT_FALSE(network.max_pool);
  EXPECT_FALSE(network.final_norm.has_value());
  EXPECT_EQ(network.blocks.size(), 6U);
  EXPECT_FALSE(network.blocks[0].shortcut.has_value());
}

TEST(ArchitectureTest, BottleneckHasItsStrideOnTheSecondConvolution) {
  const Network network = BuildNetwork(Find("resnext50_32x4d"));
  const ResidualBlock& block = network.blocks[3];
  EXPECT_EQ(block.name, "layer2.0");
  EXPECT_EQ(block.stage, 2);
  ASSERT_EQ(block.main_path.size(), 3U);
  EXPECT_EQ(block.main_path[0].conv.stride, 1);
  EXPECT_EQ(block.main_path[1].conv.stride, 2);
  EXPECT_EQ(block.main_path[1].conv.padding, 1);
  EXPECT_EQ(block.main_path[1].conv.groups, 32);
  EXPECT_EQ(block.main_path[2].conv.stride, 1);
  EXPECT_EQ(block.main_path[2].conv.padding, 0);
  ASSERT_TRUE(block.shortcut.has_value());
  EXPECT_EQ(block.shortcut->conv.stride, 2);
  EXPECT_EQ(block.shortcut->norm->name, "layer2.0.downsample.1");
}

TEST(ArchitectureTest, PreActivationBlocksNormaliseWhatTheyRead) {
  const Network network = BuildNetwork(Find("resnet50_v2"));
  EXPECT_EQ(network.version, BlockVersion::kV2);
  EXPECT_FALSE(network.stem.norm.has_value());
  EXPECT_TRUE(network.max_pool);
  const ResidualBlock& block = network.blocks[3];
  EXPECT_EQ(block.main_path[0].norm->channels, 256);
  EXPECT_EQ(block.main_path[1].norm->channels, 128);
  EXPECT_EQ(block.main_path[2].norm->channels, 128);
  ASSERT_TRUE(block.shortcut.has_value());
  EXPECT_FALSE(block.shortcut->norm.has_value());
  ASSERT_TRUE(network.final_norm.has_value());
  EXPECT_EQ(network.final_norm->name, "bn_last");
  EXPECT_EQ(network.final_norm->channels, 2048);
}

TEST(ArchitectureTest, PreActivationTensorsStandInTheOrderOfUse) {
  std::vector<std::string> weights;
  for (const TensorSpec& spec :
       TensorSpecs(BuildNetwork(Find("cifar_resnet8_v2", 10)))) {
    const std::string suffix = ".weight";
    if (spec.name.size() > suffix.size() &&
        spec.name.substr(spec.name.size() - suffix.size()) == suffix) {
      weights.push_back(spec.name.substr(0, spec.name.size() - suffix.size()));
    }
  }
  EXPECT_THAT(
      weights,
      ElementsAre("conv1", "layer1.0.bn1", "layer1.0.conv1", "layer1.0.bn2",
                  "layer1.0.conv2", "layer2.0.bn1", "layer2.0.conv1",
                  "layer2.0.bn2", "layer2.0.conv2", "layer2.0.downsample.0",
                  "layer3.0.bn1", "layer3.0.conv1", "layer3.0.bn2",
                  "layer3.0.conv2", "layer3.0.downsample.0", "bn_last", "fc"));
}

TEST(ArchitectureTest, HeadHasAsManyOutputsAsClasses) {
  const Network network = BuildNetwork(Find("resnet18", 3));
  EXPECT_EQ(network.head.in_features, 512);
  EXPECT_EQ(network.head.out_features, 3);
  EXPECT_EQ(ParameterCount(network), 11'689'512 - 997 * 513);
}

TEST(ArchitectureTest, AcceptsOneClassAndRefusesNone) {
  EXPECT_TRUE(FindArchitecture("resnet18", 1).ok());
  const absl::Status status = FindArchitecture("resnet18", 0).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DetailsOf(status).reason, "MODEL_INVALID");
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("num_classes is 0, at least 1"));
}

TEST(ArchitectureTest, CifarDepthsAreSixNPlusTwoUpToTheLimit) {
  EXPECT_TRUE(FindArchitecture("cifar_resnet8", 10).ok());
  EXPECT_TRUE(FindArchitecture("cifar_resnet1202", 10).ok());
  EXPECT_TRUE(FindArchitecture("cifar_resnet1202_v2", 10).ok());
  for (const char* name :
       {"cifar_resnet", "cifar_resnet2", "cifar_resnet7", "cifar_resnet9",
        "cifar_resnet1203", "cifar_resnet1208", "cifar_resnet08",
        "cifar_resnet+8", "cifar_resnet 8", "cifar_resnet-4",
        "cifar_resnet99999999999", "cifar_resnet8_v2_v2"}) {
    EXPECT_EQ(FindArchitecture(name, 10).status().code(),
              absl::StatusCode::kInvalidArgument)
        << name;
  }
}

TEST(ArchitectureTest, NamesTheNearestOnesForAMisspeltName) {
  const absl::Status status = FindArchitecture("resnet5O", 1000).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DetailsOf(status).reason, "MODEL_INVALID");
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("architecture \"resnet5O\" is unknown; did you mean "
                        "\"resnet50\""));
}

TEST(ArchitectureTest, TheTextOfAnErrorIsBoundedByAnOverlongName) {
  const absl::Status status =
      FindArchitecture(std::string(1'000'000, 'x'), 10).status();
  EXPECT_LT(status.message().size(), 500U);
}

}  // namespace
}  // namespace resnetd
