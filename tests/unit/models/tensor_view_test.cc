#include "server/models/tensor_view.h"

#include <gtest/gtest.h>

#include <limits>

namespace resnetd {
namespace {

TEST(TensorViewTest, NamesTypesAsTheFormatDoes) {
  EXPECT_EQ(DTypeName(DType::kF64), "F64");
  EXPECT_EQ(DTypeName(DType::kF32), "F32");
  EXPECT_EQ(DTypeName(DType::kF16), "F16");
  EXPECT_EQ(DTypeName(DType::kBF16), "BF16");
  EXPECT_EQ(DTypeName(DType::kI64), "I64");
  EXPECT_EQ(DTypeName(DType::kI32), "I32");
  EXPECT_EQ(DTypeName(DType::kU8), "U8");
  EXPECT_EQ(DTypeName(DType::kBool), "BOOL");
}

TEST(TensorViewTest, CountsBytesByTypeAndShape) {
  EXPECT_EQ(TensorBytes(DType::kF64, {2, 3}), 48U);
  EXPECT_EQ(TensorBytes(DType::kI64, {}), 8U);
  EXPECT_EQ(TensorBytes(DType::kF32, {64, 3, 7, 7}), 37632U);
  EXPECT_EQ(TensorBytes(DType::kI32, {5}), 20U);
  EXPECT_EQ(TensorBytes(DType::kF16, {5}), 10U);
  EXPECT_EQ(TensorBytes(DType::kBF16, {5}), 10U);
  EXPECT_EQ(TensorBytes(DType::kU8, {5, 0}), 0U);
  EXPECT_EQ(TensorBytes(DType::kBool, {5, 1}), 5U);
}

TEST(TensorViewTest, HasNoAnswerForBytesOverTwoToThe64) {
  constexpr std::int64_t kLargest = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(TensorBytes(DType::kU8, {kLargest, 2}),
            std::numeric_limits<std::uint64_t>::max() - 1);
  EXPECT_FALSE(TensorBytes(DType::kU8, {kLargest, 3}).has_value());
  EXPECT_FALSE(TensorBytes(DType::kF32, {kLargest}).has_value());
}

TEST(TensorViewTest, WritesShapesLikePython) {
  EXPECT_EQ(ShapeText({}), "[]");
  EXPECT_EQ(ShapeText({64, 3, 7, 7}), "[64, 3, 7, 7]");
}

}  // namespace
}  // namespace resnetd
