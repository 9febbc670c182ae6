#include "server/nn/value_sums.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace resnetd {
namespace {

// Around the widths that are added up at once.
const std::vector<std::size_t>& Counts() {
  static const std::vector<std::size_t> counts = {
      0, 1, 15, 16, 17, 31, 32, 33, 63, 64, 4095, 4096, 70001};
  return counts;
}

template <typename Value>
std::vector<Value> Waves(std::size_t count, double first) {
  std::vector<Value> values;
  for (std::size_t i = 0; i < count; ++i) {
    values.push_back(static_cast<Value>(
        static_cast<float>(std::sin(first + static_cast<double>(i)))));
  }
  return values;
}

template <typename Value>
double Plain(Value value) {
  return static_cast<double>(value);
}
template <>
double Plain(c10::BFloat16 value) {
  return static_cast<double>(static_cast<float>(value));
}

template <typename Value>
class ValueSumsTest : public ::testing::Test {};
using Types = ::testing::Types<float, double, c10::BFloat16>;
TYPED_TEST_SUITE(ValueSumsTest, Types);

TYPED_TEST(ValueSumsTest, AreThoseOfAPlainLoop) {
  for (const std::size_t count : Counts()) {
    std::vector<TypeParam> values = Waves<TypeParam>(count, 1);
    for (std::size_t i = 0; i < count; i += 7) {
      values[i] = static_cast<TypeParam>(i % 2 == 0 ? 0.0F : -0.0F);
    }
    double squares = 0;
    std::int64_t zeros = 0;
    for (const TypeParam value : values) {
      squares += Plain(value) * Plain(value);
      zeros += Plain(value) == 0 ? 1 : 0;
    }
    const ValueSums sums = SumsOf(absl::Span<const TypeParam>(values));
    EXPECT_NEAR(sums.squares, squares, 1e-13 * squares) << count;
    EXPECT_EQ(sums.zeros, zeros) << count;
  }
}

TYPED_TEST(ValueSumsTest, OfPairsAreThoseOfAPlainLoop) {
  for (const std::size_t count : Counts()) {
    const std::vector<TypeParam> left = Waves<TypeParam>(count, 1);
    const std::vector<TypeParam> right = Waves<TypeParam>(count, 0.25);
    PairSums expected;
    for (std::size_t i = 0; i < count; ++i) {
      const double l = Plain(left[i]);
      const double r = Plain(right[i]);
      const double both = Plain(static_cast<TypeParam>(left[i] + right[i]));
      expected += {.left = l * l,
                   .right = r * r,
                   .both = both * both,
                   .products = l * r};
    }
    const PairSums sums = SumsOfPair(absl::Span<const TypeParam>(left),
                                     absl::Span<const TypeParam>(right));
    EXPECT_NEAR(sums.left, expected.left, 1e-13 * expected.left);
    EXPECT_NEAR(sums.right, expected.right, 1e-13 * expected.right);
    EXPECT_NEAR(sums.both, expected.both, 1e-13 * expected.both);
    EXPECT_NEAR(sums.products, expected.products, 1e-12 * expected.left);
  }
}

TYPED_TEST(ValueSumsTest, TellWhatIsNotFinite) {
  for (const std::size_t at : {std::size_t{3}, std::size_t{99}}) {
    for (const float wrong : {std::numeric_limits<float>::infinity(),
                              std::numeric_limits<float>::quiet_NaN()}) {
      std::vector<TypeParam> values(100, static_cast<TypeParam>(1.0F));
      values[at] = static_cast<TypeParam>(wrong);
      const absl::Span<const TypeParam> row = values;
      EXPECT_FALSE(std::isfinite(SumsOf(row).squares));
      EXPECT_FALSE(std::isfinite(SumsOfPair(row, row).left));
    }
  }
}

TEST(ValueSumsOfTest, OfTheLargestValuesAreFinite) {
  const std::vector<float> values(64, std::numeric_limits<float>::max());
  EXPECT_TRUE(std::isfinite(SumsOf(absl::Span<const float>(values)).squares));
}

// Ties between two bfloat16 go to the even one, in both directions.
TEST(ValueSumsOfTest, RoundTheSumOfAPairAsBfloat16) {
  for (const float small : {0.00390625F, 0.01171875F, 0.005F, -0.002F}) {
    const std::vector<c10::BFloat16> left(40, c10::BFloat16(1.0F));
    const std::vector<c10::BFloat16> right(40, c10::BFloat16(small));
    const double both = Plain(c10::BFloat16(left[0] + right[0]));
    EXPECT_EQ(SumsOfPair(absl::Span<const c10::BFloat16>(left),
                         absl::Span<const c10::BFloat16>(right))
                  .both,
              40 * both * both);
  }
}

template <typename Value>
void ExpectCopyAndDistance() {
  for (const std::size_t count : Counts()) {
    const std::vector<Value> from = Waves<Value>(count, 1);
    std::vector<Value> to(count + 1, static_cast<Value>(7));
    double squares = 0;
    for (const Value value : from) {
      squares += Plain(value) * Plain(value);
    }
    EXPECT_NEAR(CopySquares(absl::Span<const Value>(from),
                            absl::MakeSpan(to).first(count)),
                squares, 1e-13 * squares);
    EXPECT_EQ(to.back(), static_cast<Value>(7));
    to.pop_back();
    EXPECT_EQ(to, from);
    EXPECT_EQ(SquaredDistance(absl::Span<const Value>(from),
                              absl::Span<const Value>(to)),
              0);
    const std::vector<Value> other = Waves<Value>(count, 2);
    double distance = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const double change = Plain(static_cast<Value>(from[i] - other[i]));
      distance += change * change;
    }
    EXPECT_NEAR(SquaredDistance(absl::Span<const Value>(from),
                                absl::Span<const Value>(other)),
                distance, 1e-13 * distance);
  }
}

TEST(ValueSumsOfTest, CopyAndTellHowFarApartRowsAre) {
  ExpectCopyAndDistance<float>();
  ExpectCopyAndDistance<double>();
}

}  // namespace
}  // namespace resnetd
