#include "server/finetune/head.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "server/base/error.h"

namespace resnetd {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Network NetworkOf(absl::string_view architecture, int classes) {
  return BuildNetwork(FindArchitecture(architecture, classes).value());
}

// A bottleneck network that is small enough to be filled in no time.
Network SmallBottleneck() {
  Architecture architecture;
  architecture.block = BlockKind::kBottleneck;
  architecture.stage_blocks = {2, 2};
  architecture.base_planes = 32;
  architecture.groups = 4;
  architecture.width_per_group = 32;
  architecture.num_classes = 10;
  return BuildNetwork(architecture);
}

const Tensor& Find(const TensorList& tensors, const std::string& name) {
  for (const auto& [known, tensor] : tensors) {
    if (known == name) {
      return tensor;
    }
  }
  ADD_FAILURE() << "no tensor " << name;
  static const Tensor kNone;
  return kNone;
}

TEST(PlanHeadTest, ReplacesByTheLabelsOfTheData) {
  const HeadPlan plan =
      PlanHead(HeadPolicy::kReplace, {"a", "b", "c"}, {"x", "b"}).value();
  EXPECT_THAT(plan.labels, ElementsAre("x", "b"));
  EXPECT_THAT(plan.base_row, ElementsAre(-1, -1));
  EXPECT_THAT(plan.class_map, ElementsAre(-1, 1, -1));
  EXPECT_THAT(plan.data_classes, ElementsAre(0, 1));
}

TEST(PlanHeadTest, GrowsBehindTheLabelsOfTheBase) {
  const HeadPlan plan =
      PlanHead(HeadPolicy::kGrow, {"a", "b"}, {"z", "b", "y"}).value();
  EXPECT_THAT(plan.labels, ElementsAre("a", "b", "z", "y"));
  EXPECT_THAT(plan.base_row, ElementsAre(0, 1, -1, -1));
  EXPECT_THAT(plan.class_map, ElementsAre(0, 1));
  EXPECT_THAT(plan.data_classes, ElementsAre(2, 1, 3));
}

TEST(PlanHeadTest, KeepsTheLabelsOfTheBase) {
  const HeadPlan plan =
      PlanHead(HeadPolicy::kKeep, {"a", "b", "c"}, {"c", "a"}).value();
  EXPECT_THAT(plan.labels, ElementsAre("a", "b", "c"));
  EXPECT_THAT(plan.base_row, ElementsAre(0, 1, 2));
  EXPECT_THAT(plan.class_map, ElementsAre(0, 1, 2));
  EXPECT_THAT(plan.data_classes, ElementsAre(2, 0));
}

TEST(PlanHeadTest, RemapsRowsIntoTheOrderOfTheData) {
  const HeadPlan plan =
      PlanHead(HeadPolicy::kRemap, {"a", "b", "c"}, {"c", "x", "a"}).value();
  EXPECT_THAT(plan.labels, ElementsAre("c", "x", "a"));
  EXPECT_THAT(plan.base_row, ElementsAre(2, -1, 0));
  EXPECT_THAT(plan.class_map, ElementsAre(2, -1, 0));
  EXPECT_THAT(plan.data_classes, ElementsAre(0, 1, 2));
}

TEST(PlanHeadTest, ChoosesByHowManyLabelsAreKnown) {
  const auto chosen = [](const std::vector<std::string>& data) {
    return PlanHead(HeadPolicy::kAuto, {"a", "b", "c"}, data).value().policy;
  };
  EXPECT_EQ(chosen({"a", "c"}), HeadPolicy::kKeep);
  EXPECT_EQ(chosen({"a", "x"}), HeadPolicy::kGrow);
  EXPECT_EQ(chosen({"x", "y"}), HeadPolicy::kReplace);
}

TEST(PlanHeadTest, RefusesToKeepWhatLacksLabelsAndNamesThem) {
  const absl::Status status =
      PlanHead(HeadPolicy::kKeep, {"a"}, {"a", "cat", "dog"}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DetailsOf(status).reason, "RECIPE_INVALID");
  ASSERT_EQ(DetailsOf(status).violations.size(), 1U);
  EXPECT_EQ(DetailsOf(status).violations[0].first, "head");
  EXPECT_THAT(std::string(status.message()), HasSubstr(R"("cat", "dog")"));
}

TEST(PlanHeadTest, NamesTenUnknownLabelsAndCountsTheRest) {
  std::vector<std::string> ten;
  for (int i = 0; i < 10; ++i) {
    ten.push_back("new" + std::to_string(i));
  }
  EXPECT_THAT(
      std::string(PlanHead(HeadPolicy::kKeep, {"a"}, ten).status().message()),
      ::testing::Not(HasSubstr("more")));
  ten.emplace_back("new10");
  EXPECT_THAT(
      std::string(PlanHead(HeadPolicy::kKeep, {"a"}, ten).status().message()),
      HasSubstr("and 1 more"));
}

TEST(WeightsWithHeadTest, KeepsEveryOldValueBitForBitWhenItGrows) {
  const Network base = NetworkOf("cifar_resnet8", 3);
  const TensorList old = InitialWeights(base, 1, false);
  const HeadPlan plan =
      PlanHead(HeadPolicy::kGrow, {"a", "b", "c"}, {"d", "e"}).value();
  const TensorList grown = WeightsWithHead(base, ToWeights(old), plan, 9);
  const Network network = WithHead(base, plan);
  EXPECT_EQ(network.head.out_features, 5);
  ASSERT_EQ(grown.size(), old.size());
  for (std::size_t i = 0; i < old.size(); ++i) {
    const auto& [name, tensor] = grown[i];
    ASSERT_EQ(name, old[i].first);
    const std::vector<float>& before = old[i].second.values;
    ASSERT_GE(tensor.values.size(), before.size());
    EXPECT_TRUE(std::equal(before.begin(), before.end(), tensor.values.begin()))
        << name;
    if (name != "fc.weight" && name != "fc.bias") {
      EXPECT_EQ(tensor.shape, old[i].second.shape) << name;
    }
  }
  const Tensor& weight = Find(grown, "fc.weight");
  EXPECT_THAT(weight.shape, ElementsAre(5, 64));
  const Tensor& bias = Find(grown, "fc.bias");
  EXPECT_EQ(bias.values[3], 0);
  EXPECT_EQ(bias.values[4], 0);
  // New rows are small, not 0, and differ.
  for (std::size_t i = 3 * 64; i < 5 * 64; ++i) {
    EXPECT_LE(std::abs(weight.values[i]), 0.1 / 8);
  }
  EXPECT_NE(weight.values[3 * 64], weight.values[4 * 64]);
  EXPECT_NE(weight.values[3 * 64], 0);
}

TEST(WeightsWithHeadTest, HasTheShapesOfItsNetworkForEveryPolicy) {
  const Network base = NetworkOf("cifar_resnet8", 3);
  const Weights weights = ToWeights(InitialWeights(base, 1, false));
  for (const HeadPolicy policy : {HeadPolicy::kReplace, HeadPolicy::kGrow,
                                  HeadPolicy::kKeep, HeadPolicy::kRemap}) {
    const HeadPlan plan = PlanHead(policy, {"a", "b", "c"}, {"b"}).value();
    const TensorList made = WeightsWithHead(base, weights, plan, 9);
    std::map<std::string, std::vector<std::int64_t>> shapes;
    for (const TensorSpec& spec : TensorSpecs(WithHead(base, plan))) {
      if (!spec.optional_counter) {
        shapes[spec.name] = spec.shape;
      }
    }
    EXPECT_EQ(made.size(), shapes.size());
    for (const auto& [name, tensor] : made) {
      EXPECT_EQ(tensor.shape, shapes.at(name)) << HeadPolicyName(policy);
    }
  }
}

TEST(WeightsWithHeadTest, MovesRowsWhenItRemaps) {
  const Network base = NetworkOf("cifar_resnet8", 3);
  const TensorList old = InitialWeights(base, 1, false);
  const HeadPlan plan =
      PlanHead(HeadPolicy::kRemap, {"a", "b", "c"}, {"c", "a"}).value();
  const TensorList made = WeightsWithHead(base, ToWeights(old), plan, 9);
  const std::vector<float>& before = Find(old, "fc.weight").values;
  const std::vector<float>& after = Find(made, "fc.weight").values;
  for (std::size_t i = 0; i < 64; ++i) {
    EXPECT_EQ(after[i], before[2 * 64 + i]);
    EXPECT_EQ(after[64 + i], before[i]);
  }
  EXPECT_EQ(Find(made, "fc.bias").values[0], Find(old, "fc.bias").values[2]);
}

TEST(WeightsWithHeadTest, ReplacesAsTorchBeginsALinearLayer) {
  const Network base = NetworkOf("cifar_resnet8", 10);
  const Weights weights = ToWeights(InitialWeights(base, 1, false));
  std::vector<std::string> labels;
  for (int i = 0; i < 400; ++i) {
    labels.push_back(std::to_string(i));
  }
  const HeadPlan plan = PlanHead(HeadPolicy::kReplace, {}, labels).value();
  const TensorList made = WeightsWithHead(base, weights, plan, 9);
  const double bound = 1 / std::sqrt(64.0);
  double square = 0;
  double largest = 0;
  const std::vector<float>& values = Find(made, "fc.weight").values;
  for (const float value : values) {
    square += static_cast<double>(value) * value;
    largest = std::max(largest, std::abs(static_cast<double>(value)));
  }
  // Uniform: the variance is a third of the bound's square.
  EXPECT_NEAR(square / static_cast<double>(values.size()) * 3 / bound / bound,
              1, 0.03);
  EXPECT_LE(largest, bound * 1.000001);
  EXPECT_GT(largest, bound * 0.99);
  for (const float value : Find(made, "fc.bias").values) {
    EXPECT_LE(std::abs(value), bound);
    EXPECT_NE(value, 0);
  }
}

TEST(InitialWeightsTest, AreNormalWithTheVarianceOfTorchvision) {
  const Network network = SmallBottleneck();
  const TensorList made = InitialWeights(network, 3, false);
  // {name, outputs * kernel area}: the width is 32 / 64 * 32 * 4, then twice
  // that.
  const std::map<std::string, double> fans = {
      {"layer1.0.conv1.weight", 64.0},
      {"layer1.1.conv2.weight", 64.0 * 9},
      {"layer2.0.conv3.weight", 256.0},
      {"layer2.0.downsample.0.weight", 256.0}};
  for (const auto& [name, fan] : fans) {
    const std::vector<float>& values = Find(made, name).values;
    double sum = 0;
    double square = 0;
    for (const float value : values) {
      sum += value;
      square += static_cast<double>(value) * value;
    }
    const auto count = static_cast<double>(values.size());
    // Five standard errors of a variance.
    EXPECT_NEAR(square / count * fan / 2, 1, 5 * std::sqrt(2 / count)) << name;
    EXPECT_NEAR(sum / std::sqrt(square), 0, 5) << name;
  }
}

TEST(InitialWeightsTest, BeginBatchNormsWithOnesAndZeros) {
  const TensorList made =
      InitialWeights(NetworkOf("cifar_resnet8", 10), 3, false);
  EXPECT_THAT(Find(made, "bn1.weight").values, Each(1.0F));
  EXPECT_THAT(Find(made, "bn1.bias").values, Each(0.0F));
  EXPECT_THAT(Find(made, "layer2.0.bn2.weight").values, Each(1.0F));
  EXPECT_THAT(Find(made, "layer2.0.bn2.running_mean").values, Each(0.0F));
  EXPECT_THAT(Find(made, "layer2.0.bn2.running_var").values, Each(1.0F));
}

TEST(InitialWeightsTest, BeginEveryBlockAsTheIdentityWhenAsked) {
  const TensorList basic =
      InitialWeights(NetworkOf("cifar_resnet14", 10), 3, true);
  EXPECT_THAT(Find(basic, "layer1.0.bn2.weight").values, Each(0.0F));
  EXPECT_THAT(Find(basic, "layer1.0.bn1.weight").values, Each(1.0F));
  EXPECT_THAT(Find(basic, "layer2.0.downsample.1.weight").values, Each(1.0F));
  const TensorList bottleneck = InitialWeights(SmallBottleneck(), 3, true);
  EXPECT_THAT(Find(bottleneck, "layer2.1.bn3.weight").values, Each(0.0F));
  const TensorList v2 =
      InitialWeights(NetworkOf("cifar_resnet8_v2", 10), 3, true);
  EXPECT_THAT(Find(v2, "layer1.0.bn2.weight").values, Each(1.0F));
  EXPECT_THAT(Find(v2, "layer1.0.conv2.weight").values, Each(0.0F));
}

TEST(InitialWeightsTest, AreCompleteForEveryKindOfNetwork) {
  for (const char* name : {"resnet18", "cifar_resnet14_v2", "cifar_resnet8"}) {
    const Network network = NetworkOf(name, 7);
    std::vector<std::string> names;
    for (const TensorSpec& spec : TensorSpecs(network)) {
      if (!spec.optional_counter) {
        names.push_back(spec.name);
      }
    }
    const TensorList made = InitialWeights(network, 3, true);
    ASSERT_EQ(made.size(), names.size()) << name;
    for (std::size_t i = 0; i < made.size(); ++i) {
      EXPECT_EQ(made[i].first, names[i]) << name;
    }
  }
}

TEST(InitialWeightsTest, FollowFromTheSeed) {
  const Network network = NetworkOf("cifar_resnet8", 10);
  const TensorList one = InitialWeights(network, 3, false);
  const TensorList same = InitialWeights(network, 3, false);
  const TensorList other = InitialWeights(network, 4, false);
  for (std::size_t i = 0; i < one.size(); ++i) {
    EXPECT_EQ(one[i].second.values, same[i].second.values);
  }
  EXPECT_NE(Find(one, "conv1.weight").values,
            Find(other, "conv1.weight").values);
  EXPECT_NE(Find(one, "layer1.0.conv1.weight").values,
            Find(one, "layer1.0.conv2.weight").values);
  EXPECT_NE(Find(one, "fc.weight").values, Find(other, "fc.weight").values);
}

}  // namespace
}  // namespace resnetd
