#include "server/engine/parameters.h"

#include <cstddef>
#include <cstdint>
#include <oneapi/dnnl/dnnl.hpp>
#include <optional>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "server/engine/descs.h"
#include "server/engine/folding.h"
#include "server/engine/program.h"
#include "server/engine/winograd.h"
#include "server/models/model_package.h"
#include "tests/support/filled_package.h"

namespace resnetd {
namespace {

class ParametersTest : public testing::Test {
 protected:
  std::vector<float> Values(const dnnl::memory& memory) const {
    const auto* values = static_cast<const float*>(memory.get_data_handle());
    return {values, values + memory.get_desc().get_size() / sizeof(float)};
  }

  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  const ModelPackage package_ = FilledPackage("cifar_resnet8_v2", 5, 16);
  const Program program_ = BuildProgram(package_.network, 16);
  Parameters parameters_{engine_, program_, package_.weights};
};

// Steps of cifar_resnet8_v2, see program_test.cc.
constexpr std::size_t kNorm = 1;
constexpr std::size_t kFoldedConv = 2;
constexpr std::size_t kPlainConv = 3;
constexpr std::size_t kLinear = 14;

TEST_F(ParametersTest, AConvolutionIsFoldedWithItsNormalisation) {
  const Step& step = program_.steps[kFoldedConv];
  const auto plain = PlainWeights(step.conv);
  const FoldedConvolution folded =
      Fold(step.conv, *step.norm, package_.weights);
  EXPECT_EQ(Values(parameters_.PackedWeights(kFoldedConv, plain)),
            folded.weights);
  EXPECT_EQ(Values(parameters_.Bias(kFoldedConv)), folded.bias);
}

TEST_F(ParametersTest, AConvolutionWithoutNormalisationIsTakenAsItIs) {
  const ConvLayer& conv = program_.steps[kPlainConv].conv;
  EXPECT_EQ(Values(parameters_.PackedWeights(kPlainConv, PlainWeights(conv))),
            package_.weights.at(conv.name + ".weight").values);
}

TEST_F(ParametersTest, TheLinearLayerHasWeightsAndBias) {
  const LinearLayer& linear = program_.steps[kLinear].linear;
  EXPECT_EQ(Values(parameters_.PackedWeights(kLinear, PlainWeights(linear))),
            package_.weights.at("fc.weight").values);
  EXPECT_EQ(Values(parameters_.Bias(kLinear)),
            package_.weights.at("fc.bias").values);
}

TEST_F(ParametersTest, ANormalisationOfItsOwnIsAScaleAndAShift) {
  const ScaleShift line =
      ScaleShiftOf(*program_.steps[kNorm].norm, package_.weights);
  const auto memory = parameters_.ScaleAndShift(kNorm);
  EXPECT_EQ(Values(memory.scale),
            std::vector<float>(line.scale.begin(), line.scale.end()));
  EXPECT_EQ(Values(memory.shift),
            std::vector<float>(line.shift.begin(), line.shift.end()));
  EXPECT_EQ(Values(memory.mean), std::vector<float>(16, 0.0F));
  EXPECT_EQ(Values(memory.variance), std::vector<float>(16, 1.0F));
}

TEST_F(ParametersTest, ALayoutExistsOnceHoweverOftenItIsAskedFor) {
  const auto plain = PlainWeights(program_.steps[kFoldedConv].conv);
  const auto first = parameters_.PackedWeights(kFoldedConv, plain);
  const std::int64_t bytes = parameters_.bytes();
  const auto second = parameters_.PackedWeights(kFoldedConv, plain);
  EXPECT_EQ(first.get_data_handle(), second.get_data_handle());
  EXPECT_EQ(parameters_.bytes(), bytes);
  // 16 x 16 weights of 3x3 and 16 biases.
  EXPECT_EQ(bytes, (16 * 16 * 9 + 16) * 4);
}

TEST_F(ParametersTest, WeightsAreTransformedOnceAndWhatTheyWereStays) {
  const Step& step = program_.steps[kFoldedConv];
  const WinogradShape shape = {.in_channels = 16,
                               .out_channels = 16,
                               .height = 16,
                               .width = 16,
                               .tile = 4};
  const FoldedConvolution folded =
      Fold(step.conv, *step.norm, package_.weights);
  std::vector<float> expected(WinogradWeights(shape));
  TransformWeights(shape, folded.weights.data(), expected.data());

  const auto first = parameters_.TransformedWeights(kFoldedConv, shape);
  parameters_.ForgetSource();
  EXPECT_EQ(Values(first), expected);
  const std::int64_t bytes = parameters_.bytes();
  EXPECT_EQ(bytes, (16 * 16 * (9 + 36) + 16) * 4);
  const auto second = parameters_.TransformedWeights(kFoldedConv, shape);
  EXPECT_EQ(first.get_data_handle(), second.get_data_handle());
  EXPECT_EQ(parameters_.bytes(), bytes);
  EXPECT_EQ(parameters_.Unpacked(kFoldedConv).weights, folded.weights);
  EXPECT_EQ(Values(parameters_.Bias(kFoldedConv)), folded.bias);
}

TEST_F(ParametersTest, AnotherLayoutComesFromTheFirstWithoutTheVersion) {
  const ConvLayer& conv = program_.steps[kFoldedConv].conv;
  const auto plain = PlainWeights(conv);
  const dnnl::memory::desc turned({16, 16, 3, 3}, dnnl::memory::data_type::f32,
                                  FormatTag::hwio);
  const auto first = parameters_.PackedWeights(kFoldedConv, plain);
  parameters_.ForgetSource();
  const auto second = parameters_.PackedWeights(kFoldedConv, turned);
  const std::vector<float> values = Values(first);
  const std::vector<float> moved = Values(second);
  ASSERT_EQ(moved.size(), values.size());
  for (std::size_t oi = 0; oi < 256; ++oi) {
    for (std::size_t hw = 0; hw < 9; ++hw) {
      const std::size_t o = oi / 16;
      const std::size_t i = oi % 16;
      EXPECT_EQ(moved[(hw * 16 + i) * 16 + o], values[oi * 9 + hw]);
    }
  }
}

}  // namespace
}  // namespace resnetd
