#include "server/nn/tensor_list.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/status/status.h"
#include "server/base/error.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<NamedTensor> TwoTensors() {
  return {{"a", at::zeros({2, 3})}, {"b", at::zeros({4})}};
}

TEST(TensorListTest, CopiesValuesInTheOrderOfC) {
  const at::Tensor counted = at::arange(16, at::kDouble).view({1, 2, 2, 4});
  const TensorList list =
      ToPlain({{"w", counted.contiguous(at::MemoryFormat::ChannelsLast)}});
  ASSERT_EQ(list.size(), 1U);
  EXPECT_EQ(list[0].first, "w");
  EXPECT_THAT(list[0].second.shape, ElementsAre(1, 2, 2, 4));
  for (std::size_t i = 0; i < 16; ++i) {
    EXPECT_EQ(list[0].second.values[i], static_cast<float>(i));
  }
}

TEST(TensorListTest, CopiesBackByName) {
  const std::vector<NamedTensor> tensors = TwoTensors();
  tensors[0].tensor.requires_grad_();
  const TensorList values = {{"b", {{4}, {1, 2, 3, 4}}},
                             {"a", {{2, 3}, {5, 6, 7, 8, 9, 10}}}};
  ASSERT_TRUE(CheckFits(values, tensors, "weights").ok());
  CopyInto(values, tensors);
  const TensorList back = ToPlain(tensors);
  EXPECT_THAT(back[0].second.values, ElementsAre(5, 6, 7, 8, 9, 10));
  EXPECT_THAT(back[1].second.values, ElementsAre(1, 2, 3, 4));
}

TEST(TensorListTest, RefusesOtherNamesAndShapes) {
  const Tensor a = {{2, 3}, {1, 2, 3, 4, 5, 6}};
  const Tensor b = {{4}, {1, 2, 3, 4}};
  const TensorList too_few = {{"a", a}};
  const TensorList too_many = {{"a", a}, {"b", b}, {"c", b}};
  const TensorList renamed = {{"a", a}, {"c", b}};
  const TensorList twice = {{"a", a}, {"a", a}};
  const TensorList turned = {{"a", {{3, 2}, a.values}}, {"b", b}};
  const TensorList cut = {{"a", a}, {"b", {{4}, {1, 2, 3}}}};
  for (const TensorList& values :
       {too_few, too_many, renamed, twice, turned, cut}) {
    const absl::Status status = CheckFits(values, TwoTensors(), "means");
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(DetailsOf(status).reason, "CHECKPOINT_CORRUPT");
    EXPECT_THAT(std::string(status.message()), HasSubstr("the means of"));
  }
}

}  // namespace
}  // namespace resnetd
