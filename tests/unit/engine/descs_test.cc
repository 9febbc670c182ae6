#include "server/engine/descs.h"

#include <oneapi/dnnl/dnnl.hpp>

#include "gtest/gtest.h"
#include "server/engine/program.h"
#include "server/models/architecture.h"

namespace resnetd {
namespace {

constexpr auto kF32 = dnnl::memory::data_type::f32;

TEST(DescsTest, ActivationsHaveTheBatchInFront) {
  EXPECT_EQ(ActivationDesc({8, 5, 7}, 2, FormatTag::nhwc),
            dnnl::memory::desc({2, 8, 5, 7}, kF32, FormatTag::nhwc));
}

TEST(DescsTest, WeightsHaveTheOrderOfTheStateDict) {
  const ConvLayer conv = {
      .name = "c", .in_channels = 8, .out_channels = 16, .kernel = 3};
  EXPECT_EQ(PlainWeights(conv),
            dnnl::memory::desc({16, 8, 3, 3}, kF32, FormatTag::oihw));
  EXPECT_EQ(AnyWeights(conv),
            dnnl::memory::desc({16, 8, 3, 3}, kF32, FormatTag::any));
}

TEST(DescsTest, GroupsAreADimension) {
  const ConvLayer conv = {.name = "c",
                          .in_channels = 8,
                          .out_channels = 16,
                          .kernel = 1,
                          .groups = 4};
  EXPECT_EQ(PlainWeights(conv),
            dnnl::memory::desc({4, 4, 2, 1, 1}, kF32, FormatTag::goihw));
}

TEST(DescsTest, MatricesAndVectorsAreRowsOfFloats) {
  EXPECT_EQ(MatrixDesc(3, 5).get_size(), 60U);
  EXPECT_EQ(VectorDesc(7).get_size(), 28U);
  const LinearLayer linear = {"fc", 5, 3};
  EXPECT_EQ(PlainWeights(linear),
            dnnl::memory::desc({3, 5}, kF32, FormatTag::oi));
  EXPECT_EQ(AnyWeights(linear),
            dnnl::memory::desc({3, 5}, kF32, FormatTag::any));
}

}  // namespace
}  // namespace resnetd
