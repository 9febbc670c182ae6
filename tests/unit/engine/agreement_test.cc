#include "server/engine/agreement.h"

#include <limits>
#include <vector>

#include "gtest/gtest.h"

namespace resnetd {
namespace {

TEST(AgreementTest, CountsRowsWithTheSameFirstClass) {
  const std::vector<float> expected = {1, 5, 2, 4, 0, 3};
  const std::vector<float> actual = {1, 4, 2, 2, 0, 3};
  const Agreement agreement = Compare(expected, actual, 3);
  EXPECT_EQ(agreement.pictures, 2);
  EXPECT_EQ(agreement.same_top1, 1);
  EXPECT_DOUBLE_EQ(agreement.share(), 0.5);
  // 1 of 5, and 2 of 4.
  EXPECT_DOUBLE_EQ(agreement.error, (0.2 + 0.5) / 2);
}

TEST(AgreementTest, EqualLogitsAgree) {
  const std::vector<float> zeros(4, 0.0F);
  EXPECT_EQ(Compare(zeros, zeros, 2).same_top1, 2);
  EXPECT_EQ(Compare(zeros, zeros, 2).error, 0);
}

TEST(AgreementTest, TheFirstOfEqualOnesComesFirst) {
  EXPECT_EQ(Compare({2, 2}, {2, 1}, 2).same_top1, 1);
  EXPECT_EQ(Compare({2, 2}, {1, 2}, 2).same_top1, 0);
}

TEST(AgreementTest, WhatIsNotFiniteAgreesWithNothing) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const float wrong : {kNan, kInfinity, -kInfinity}) {
    const Agreement agreement = Compare({2, 1}, {2, wrong}, 2);
    EXPECT_EQ(agreement.same_top1, 0);
    EXPECT_EQ(agreement.error, 1);
    EXPECT_EQ(agreement.not_finite, 1);
    // Where float32 is not finite either, it is not the precision's fault.
    EXPECT_EQ(Compare({2, wrong}, {2, wrong}, 2).not_finite, 0);
  }
}

TEST(AgreementTest, CountsWhatIsRightWhereTheClassIsKnown) {
  const Agreement agreement =
      Compare({2, 1, 2, 1, 2, 1}, {2, 1, 1, 2, 2, 1}, 2, {0, 0, -1});
  EXPECT_EQ(agreement.pictures, 3);
  EXPECT_EQ(agreement.labelled, 2);
  EXPECT_EQ(agreement.correct, 1);
  EXPECT_EQ(Compare({2, 1}, {2, 1}, 2).labelled, 0);
}

TEST(AgreementTest, NothingIsNoAgreement) {
  EXPECT_EQ(Compare({}, {}, 2).pictures, 0);
  EXPECT_EQ(Compare({}, {}, 2).share(), 0);
}

}  // namespace
}  // namespace resnetd
