#include "server/nn/feature_input.h"

#include <ATen/core/Tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "server/base/error.h"

namespace resnetd {
namespace {

TEST(FeatureInputTest, TakesTheChannelsOfAPixelSideBySide) {
  const FeatureInput input({.channels = 2, .height = 1, .width = 3});
  const std::vector<float> first = {1, 2, 3, 4, 5, 6};
  const std::vector<float> second = {7, 8, 9, 10, 11, 12};
  const at::Tensor batch = input.Batch({first, second});
  EXPECT_THAT(batch.sizes(), testing::ElementsAre(2, 2, 1, 3));
  EXPECT_TRUE(batch.is_contiguous(at::MemoryFormat::ChannelsLast));
  EXPECT_EQ(batch[0][0][0][1].item<float>(), 3);
  EXPECT_EQ(batch[0][1][0][1].item<float>(), 4);
  EXPECT_EQ(batch[1][1][0][2].item<float>(), 12);
}

TEST(FeatureInputTest, RefusesRowsOfAnotherLength) {
  const FeatureInput input({.channels = 3, .height = 1, .width = 1});
  const std::vector<float> fits = {1, 2, 3};
  const std::vector<float> less = {1, 2};
  const std::vector<float> more = {1, 2, 3, 4};
  EXPECT_TRUE(input.Check({fits, fits}).ok());
  EXPECT_TRUE(input.Check({}).ok());
  EXPECT_EQ(DetailsOf(input.Check({fits, less})).reason, "REQUEST_INVALID");
  EXPECT_EQ(DetailsOf(input.Check({more})).reason, "REQUEST_INVALID");
}

}  // namespace
}  // namespace resnetd
