#include "server/nn/torch_resnet.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/rand.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/match.h"
#include "server/models/architecture.h"
#include "server/models/weight_fill.h"

namespace resnetd {
namespace {

constexpr int kClasses = 10;

struct Kind {
  const char* name;
  BlockKind block;
  StemKind stem;
  int groups;
};

// Narrow and shallow, since only the structure matters here: two stages with a
// projected and an identity shortcut each.
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

class TorchResNetTest
    : public testing::TestWithParam<std::tuple<Kind, BlockVersion>> {
 protected:
  TorchResNetTest()
      : network_(
            SmallNetwork(std::get<0>(GetParam()), std::get<1>(GetParam()))),
        weights_(FillWeights(network_)),
        torch_(network_, weights_, at::kCPU) {}

  const Network network_;
  const Weights weights_;
  const TorchResNet torch_;
};

TEST_P(TorchResNetTest, HasTheTensorsOfTheSpecInItsOrder) {
  std::vector<TensorSpec> specs = TensorSpecs(network_);
  std::erase_if(specs, [](const TensorSpec& s) { return s.optional_counter; });
  const std::vector<NamedTensor> state = torch_.State();
  ASSERT_EQ(state.size(), specs.size());
  for (std::size_t i = 0; i < specs.size(); ++i) {
    EXPECT_EQ(state[i].name, specs[i].name);
    EXPECT_EQ(state[i].tensor.sizes(), at::IntArrayRef(specs[i].shape))
        << specs[i].name;
  }
}

TEST_P(TorchResNetTest, CopiesEveryValue) {
  std::int64_t bytes = 0;
  for (const NamedTensor& entry : torch_.State()) {
    const Tensor& expected = weights_.at(entry.name);
    const at::Tensor actual = entry.tensor.contiguous();
    EXPECT_TRUE(std::equal(expected.values.begin(), expected.values.end(),
                           actual.const_data_ptr<float>()))
        << entry.name;
    bytes += static_cast<std::int64_t>(expected.values.size() * sizeof(float));
  }
  EXPECT_EQ(torch_.state_bytes(), bytes);
}

TEST_P(TorchResNetTest, AnswersOneRowOfLogitsAPicture) {
  const at::Tensor logits = torch_.Forward(at::ones({2, 3, 32, 32}));
  EXPECT_EQ(logits.sizes(), at::IntArrayRef({2, kClasses}));
}

// What a trainer needs: every parameter can be asked for its gradient, and no
// operation of Forward() destroys what another one needs for it.
TEST_P(TorchResNetTest, LetsGradientsReachEveryParameter) {
  const std::vector<NamedTensor> state = torch_.State();
  for (const NamedTensor& entry : state) {
    if (!absl::StrContains(entry.name, ".running_")) {
      entry.tensor.requires_grad_();
    }
  }
  torch_.Forward(at::rand({2, 3, 32, 32})).sum().backward();
  for (const NamedTensor& entry : state) {
    if (!absl::StrContains(entry.name, ".running_")) {
      EXPECT_TRUE(entry.tensor.grad().defined()) << entry.name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, TorchResNetTest,
    testing::Combine(
        testing::Values(
            Kind{"Basic", BlockKind::kBasic, StemKind::kImageNet, 1},
            Kind{"Bottleneck", BlockKind::kBottleneck, StemKind::kImageNet, 1},
            Kind{"Grouped", BlockKind::kBottleneck, StemKind::kImageNet, 4},
            Kind{"Cifar", BlockKind::kBasic, StemKind::kCifar, 1}),
        testing::Values(BlockVersion::kV1, BlockVersion::kV2)),
    [](const auto& test) {
      return std::string(std::get<0>(test.param).name) +
             (std::get<1>(test.param) == BlockVersion::kV1 ? "V1" : "V2");
    });

}  // namespace
}  // namespace resnetd
