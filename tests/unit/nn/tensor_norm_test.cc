#include "server/nn/tensor_norm.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>

namespace resnetd {
namespace {

at::Tensor Slot() { return Slots({1}, at::kCPU).unbind()[0]; }

double NormOfOne(const at::Tensor& values) {
  const at::Tensor slot = Slot();
  NormInto(values, slot);
  return slot.item<double>();
}

double ZerosOf(const at::Tensor& values) {
  const at::Tensor norm = Slot();
  const at::Tensor zeros = Slot();
  NormAndZerosInto(values, norm, zeros);
  EXPECT_EQ(norm.item<double>(), NormOfOne(values));
  return zeros.item<double>();
}

// sin(1), sin(2), ...: `count` of them.
at::Tensor Waves(std::int64_t count, at::ScalarType dtype) {
  return at::arange(1, count + 1, at::kDouble).sin().to(dtype);
}

double Expected(const at::Tensor& values) {
  const at::Tensor plain = values.to(at::kDouble).contiguous();
  double sum = 0;
  for (std::int64_t i = 0; i < plain.numel(); ++i) {
    sum +=
        plain.const_data_ptr<double>()[i] * plain.const_data_ptr<double>()[i];
  }
  return std::sqrt(sum);
}

// Around the lengths of rows, with and without a remainder.
TEST(TensorNormTest, IsTheNormOfAllValues) {
  for (const std::int64_t count :
       {1, 2, 63, 64, 4095, 4096, 4097, 8191, 8192, 8256, 9408, 262144}) {
    const at::Tensor wide = Waves(count, at::kDouble);
    EXPECT_NEAR(NormOfOne(wide), Expected(wide), 1e-13 * Expected(wide))
        << count;
    const at::Tensor narrow = Waves(count, at::kFloat);
    EXPECT_NEAR(NormOfOne(narrow), Expected(narrow), 1e-6 * Expected(narrow))
        << count;
    const at::Tensor coarse = Waves(count, at::kBFloat16);
    EXPECT_NEAR(NormOfOne(coarse), Expected(coarse), 1e-6 * Expected(coarse))
        << count;
  }
}

TEST(TensorNormTest, KeepsItsDigitsOverMillionsOfValues) {
  const at::Tensor many = at::full({1 << 21}, 0.1F, at::kFloat);
  const double expected = double{0.1F} * std::sqrt(double{1 << 21});
  EXPECT_NEAR(NormOfOne(many), expected, 1e-6 * expected);
}

TEST(TensorNormTest, TakesTensorsOfAnyLayout) {
  const at::Tensor values = Waves(6 * 64 * 5 * 5, at::kFloat);
  const at::Tensor plain = values.view({6, 64, 5, 5});
  const double expected = Expected(values);
  EXPECT_NEAR(NormOfOne(plain.contiguous(at::MemoryFormat::ChannelsLast)),
              expected, 1e-6 * expected);
  EXPECT_NEAR(NormOfOne(plain.transpose(0, 1)), expected, 1e-6 * expected);
  // With values between, with one value many times, and with none.
  EXPECT_NEAR(NormOfOne(plain.narrow(1, 0, 3)), Expected(plain.narrow(1, 0, 3)),
              1e-6 * expected);
  EXPECT_NEAR(NormOfOne(at::ones({1, 1}).expand({5, 5})), 5, 1e-6);
  EXPECT_EQ(NormOfOne(at::zeros({0})), 0);
}

TEST(TensorNormTest, IsExactWhereValuesLieWithoutGaps) {
  const at::Tensor values = Waves(6 * 64 * 50 * 50, at::kFloat);
  const at::Tensor plain = values.view({6, 64, 50, 50});
  const double expected = Expected(values);
  EXPECT_NEAR(NormOfOne(plain.contiguous(at::MemoryFormat::ChannelsLast)),
              expected, 1e-12 * expected);
  EXPECT_NEAR(NormOfOne(plain.transpose(0, 1)), expected, 1e-12 * expected);
  ASSERT_TRUE(SumsHere(plain).has_value());
  EXPECT_FALSE(SumsHere(plain.narrow(1, 0, 3)).has_value());
  EXPECT_FALSE(SumsHere(at::ones({4}, at::kInt)).has_value());
}

TEST(TensorNormTest, TakesPairsThatLieAlike) {
  const at::Tensor left = Waves(4 * 8 * 9, at::kFloat).view({4, 8, 9});
  const at::Tensor right = left.cos();
  const auto sums = PairSumsHere(left, right);
  ASSERT_TRUE(sums.has_value());
  EXPECT_NEAR(sums->left, SumsHere(left)->squares, 1e-11);
  EXPECT_NEAR(sums->right, SumsHere(right)->squares, 1e-11);
  EXPECT_NEAR(sums->both, SumsHere(left.add(right))->squares, 1e-11);
  const auto turned = PairSumsHere(left.transpose(0, 2), right.transpose(0, 2));
  ASSERT_TRUE(turned.has_value());
  EXPECT_EQ(turned->products, sums->products);

  EXPECT_FALSE(
      PairSumsHere(left, right.transpose(0, 1).contiguous().transpose(0, 1))
          .has_value());
  EXPECT_FALSE(PairSumsHere(left, right.to(at::kDouble)).has_value());
  EXPECT_FALSE(
      PairSumsHere(left.narrow(2, 0, 3), right.narrow(2, 0, 3)).has_value());
}

TEST(TensorNormTest, TellsWhatIsNotFinite) {
  const at::Tensor values = at::ones({8192});
  values[5000] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(NormOfOne(values)));
  values[5000] = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(std::isinf(NormOfOne(values)));
}

TEST(TensorNormTest, CountsZerosOfBothSigns) {
  const at::Tensor values = at::ones({4, 3});
  EXPECT_EQ(ZerosOf(values), 0);
  values[0][1] = 0.0;
  values[3][2] = -0.0;
  values[2][2] = std::numeric_limits<float>::denorm_min();
  EXPECT_EQ(ZerosOf(values), 2);
  EXPECT_EQ(ZerosOf(at::zeros({7, 5})), 35);
  // With gaps in memory.
  EXPECT_EQ(ZerosOf(values.narrow(1, 0, 2)), 1);
}

TEST(TensorNormTest, MultipliesNarrowTensorsInFloat32) {
  const at::Tensor left = at::full({1000}, 1.0078125, at::kBFloat16);
  const at::Tensor slot = Slot();
  DotInto(left, left, slot);
  // In bfloat16 the square is 1.015625.
  EXPECT_NEAR(slot.item<double>(), 1000 * 1.0078125 * 1.0078125, 1e-3);
}

TEST(TensorNormTest, MultipliesTensorsOfDifferentLayouts) {
  const at::Tensor left = Waves(4 * 8 * 3 * 3, at::kDouble).view({4, 8, 3, 3});
  const at::Tensor right = left.add(1);
  const at::Tensor slot = Slot();
  DotInto(left.contiguous(at::MemoryFormat::ChannelsLast), right, slot);
  double expected = 0;
  for (std::int64_t i = 0; i < left.numel(); ++i) {
    expected +=
        left.const_data_ptr<double>()[i] * right.const_data_ptr<double>()[i];
  }
  EXPECT_NEAR(slot.item<double>(), expected, 1e-11);
}

}  // namespace
}  // namespace resnetd
