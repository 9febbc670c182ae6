#include "server/nn/gradients.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/as_strided.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace resnetd {
namespace {

Parameter Trained(const at::Tensor& tensor) {
  tensor.set_requires_grad(true);
  return {.name = "p", .tensor = tensor, .part = 0, .decays = false};
}

TEST(GradientsTest, AreTakenAwayFromTheParameters) {
  const Parameter used = Trained(at::full({3}, 2.0));
  const Parameter unused = Trained(at::full({2}, 1.0));
  used.tensor.square().sum().backward();
  const std::vector<at::Tensor> gradients = TakeGradients({used, unused});
  EXPECT_TRUE(gradients[0].equal(at::full({3}, 4.0)));
  EXPECT_TRUE(gradients[1].equal(at::zeros({2})));
  EXPECT_FALSE(used.tensor.grad().defined());
}

TEST(GradientsTest, LieInMemoryAsTheirParameters) {
  const at::Tensor weight = at::arange(108, at::kFloat)
                                .view({4, 3, 3, 3})
                                .contiguous(at::MemoryFormat::ChannelsLast);
  const Parameter parameter = Trained(weight);
  const at::Tensor factor = at::arange(108, at::kFloat).view({4, 3, 3, 3});
  // Given as it is, in another order of memory than the parameter.
  parameter.tensor.mutable_grad() = factor;
  const std::vector<at::Tensor> gradients = TakeGradients({parameter});
  EXPECT_EQ(gradients[0].strides(), weight.strides());
  EXPECT_TRUE(gradients[0].equal(factor));
}

TEST(GradientsTest, AreNotCopiedForTheStrideOfADimensionOfOne) {
  const at::Tensor weight =
      at::zeros({4, 3, 1, 1}).contiguous(at::MemoryFormat::ChannelsLast);
  const Parameter parameter = Trained(weight);
  const at::Tensor gradient =
      at::as_strided(at::zeros({12}), {4, 3, 1, 1}, {3, 1, 3, 3});
  ASSERT_NE(gradient.strides(), weight.strides());
  parameter.tensor.mutable_grad() = gradient;
  EXPECT_EQ(TakeGradients({parameter})[0].data_ptr(), gradient.data_ptr());
}

TEST(GradientsTest, ArePulledToFirstValuesWhereThereAreSome) {
  const Parameter pulled = Trained(at::full({2}, 5.0));
  const Parameter free = Trained(at::full({2}, 5.0));
  const std::vector<at::Tensor> gradients = {at::ones({2}), at::ones({2})};
  AddPull(gradients, {pulled, free}, {at::full({2}, 3.0), at::Tensor()}, 0.25);
  EXPECT_TRUE(gradients[0].equal(at::full({2}, 1 + 0.25 * 2)));
  EXPECT_TRUE(gradients[1].equal(at::ones({2})));
}

TEST(GradientsTest, HaveTheNormOfAllTheirValues) {
  // Around the length of the rows that are added up apart.
  for (const std::int64_t count : {1, 4095, 4096, 4097, 10'000}) {
    const at::Tensor large = at::arange(count, at::kFloat).sin();
    const at::Tensor small = at::full({2, 3}, 0.75);
    const double expected =
        std::sqrt(large.to(at::kDouble).square().sum().item<double>() +
                  small.to(at::kDouble).square().sum().item<double>());
    EXPECT_NEAR(NormOf({large, small}), expected, 1e-6 * expected);
  }
}

// Equal values are the worst: every rounding errs to the same side.
TEST(GradientsTest, HaveAGoodNormWhereFloat32AddsUpBadly) {
  const at::Tensor many = at::full({3'000'000}, 0.1F);
  const double expected = std::sqrt(3e6) * static_cast<double>(0.1F);
  EXPECT_NEAR(NormOf({many}), expected, 5e-6 * expected);
}

TEST(GradientsTest, HaveNoFiniteNormWithAValueThatIsNotFinite) {
  for (const float value : {std::numeric_limits<float>::infinity(),
                            std::numeric_limits<float>::quiet_NaN()}) {
    const at::Tensor gradient = at::ones({5000});
    gradient[4999] = value;
    EXPECT_FALSE(std::isfinite(NormOf({at::ones({3}), gradient})));
  }
}

TEST(GradientsTest, AreClippedOnlyOverTheLimit) {
  const at::Tensor gradient = at::full({4}, 3.0, at::kDouble);
  Clip({gradient}, 6, 6.1);
  EXPECT_TRUE(gradient.equal(at::full({4}, 3.0, at::kDouble)));
  Clip({gradient}, 6, 2);
  EXPECT_NEAR(NormOf({gradient}), 2, 1e-6);
}

}  // namespace
}  // namespace resnetd
