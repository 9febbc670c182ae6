#include "server/engine/precision.h"

#include <optional>

#include "gtest/gtest.h"

namespace resnetd {
namespace {

TEST(PrecisionTest, NamesAreReadBack) {
  for (const Precision precision :
       {Precision::kFloat32, Precision::kBfloat16, Precision::kInt8}) {
    EXPECT_EQ(ParsePrecision(PrecisionName(precision)), precision);
  }
  EXPECT_EQ(ParsePrecision("fp64"), std::nullopt);
  EXPECT_EQ(ParsePrecision("auto"), std::nullopt);
}

}  // namespace
}  // namespace resnetd
