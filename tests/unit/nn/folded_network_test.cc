#include "server/nn/folded_network.h"

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/rand.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <tuple>

#include "server/models/architecture.h"
#include "server/models/weight_fill.h"
#include "server/nn/torch_resnet.h"

namespace resnetd {
namespace {

constexpr int kClasses = 10;
constexpr int kPictures = 3;

struct Kind {
  const char* name;
  BlockKind block;
  StemKind stem;
  int groups;
};

// Two stages with a projected and an identity shortcut each.
Network SmallNetwork(const Kind& kind, BlockVersion version) {
  return BuildNetwork({.name = kind.name,
                       .block = kind.block,
                       .version = version,
                       .stem = kind.stem,
                       .stage_blocks = {2, 2},
                       .base_planes = 16,
                       .groups = kind.groups,
                       .width_per_group = 64 / kind.groups,
                       .num_classes = kClasses});
}

class FoldedNetworkTest
    : public testing::TestWithParam<std::tuple<Kind, BlockVersion>> {
 protected:
  FoldedNetworkTest()
      : network_(
            SmallNetwork(std::get<0>(GetParam()), std::get<1>(GetParam()))),
        weights_(FillWeights(network_)),
        expected_(network_, weights_, at::kCPU) {
    at::manual_seed(20261122);
    pictures_ = at::rand({kPictures, 3, 32, 32})
                    .contiguous(at::MemoryFormat::ChannelsLast);
  }

  FoldedNetwork Folded(at::ScalarType type) const {
    return FoldedNetwork(network_, weights_, at::TensorOptions(type),
                         ConvolutionKernels::kSeparate);
  }

  static double Difference(const at::Tensor& expected,
                           const at::Tensor& actual) {
    return ((expected - actual).abs().max() / expected.abs().max())
        .item<double>();
  }

  const Network network_;
  const Weights weights_;
  const TorchResNet expected_;
  at::Tensor pictures_;
};

// The oracle folds nothing and fuses nothing.
TEST_P(FoldedNetworkTest, AnswersInFloat32AsTheLayersOneByOne) {
  const c10::InferenceMode inference_mode;
  const FoldedNetwork folded = Folded(at::kFloat);
  const at::Tensor average = folded.Average(pictures_);
  EXPECT_LE(Difference(expected_.Average(pictures_).flatten(1), average), 1e-5);
  const at::Tensor logits = folded.Head(average);
  EXPECT_EQ(logits.sizes(), at::IntArrayRef({kPictures, kClasses}));
  EXPECT_LE(Difference(expected_.Forward(pictures_), logits), 1e-5);
}

// bfloat16 keeps 8 bits of a value; the logits stay in float32.
TEST_P(FoldedNetworkTest, AnswersInBfloat16ToItsPrecision) {
  const c10::InferenceMode inference_mode;
  const FoldedNetwork folded = Folded(at::kBFloat16);
  const at::Tensor logits = folded.Head(folded.Average(pictures_));
  EXPECT_EQ(logits.scalar_type(), at::kFloat);
  const double difference = Difference(expected_.Forward(pictures_), logits);
  EXPECT_LE(difference, 5e-2);
  EXPECT_GT(difference, 1e-6) << "computed in float32 after all";
}

// float16 keeps 11.
TEST_P(FoldedNetworkTest, AnswersInFloat16ToItsPrecision) {
  const c10::InferenceMode inference_mode;
  const FoldedNetwork folded = Folded(at::kHalf);
  const at::Tensor logits = folded.Head(folded.Average(pictures_));
  EXPECT_EQ(logits.scalar_type(), at::kFloat);
  const double difference = Difference(expected_.Forward(pictures_), logits);
  EXPECT_LE(difference, 1e-2);
  EXPECT_GT(difference, 1e-6) << "computed in float32 after all";
}

TEST_P(FoldedNetworkTest, LeavesItsInputAsItWas) {
  const c10::InferenceMode inference_mode;
  const at::Tensor before = pictures_.clone();
  const at::Tensor once = Folded(at::kFloat).Average(pictures_);
  EXPECT_TRUE(before.equal(pictures_));
  EXPECT_TRUE(once.equal(Folded(at::kFloat).Average(pictures_)));
}

TEST_P(FoldedNetworkTest, TakesLessMemoryThanTheLayersWithTheirNorms) {
  const FoldedNetwork full = Folded(at::kFloat);
  EXPECT_LT(full.bytes(), expected_.state_bytes());
  EXPECT_LT(Folded(at::kBFloat16).bytes(), full.bytes());
  EXPECT_EQ(full.classes(), kClasses);
  EXPECT_EQ(full.features(), network_.head.in_features);
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, FoldedNetworkTest,
    testing::Combine(testing::Values(Kind{"basic", BlockKind::kBasic,
                                          StemKind::kCifar, 1},
                                     Kind{"bottleneck", BlockKind::kBottleneck,
                                          StemKind::kImageNet, 1},
                                     Kind{"grouped", BlockKind::kBottleneck,
                                          StemKind::kCifar, 4}),
                     testing::Values(BlockVersion::kV1, BlockVersion::kV2)),
    [](const auto& tested) {
      return std::string(std::get<0>(tested.param).name) +
             (std::get<1>(tested.param) == BlockVersion::kV1 ? "V1" : "V2");
    });

}  // namespace
}  // namespace resnetd
