#include "server/finetune/random.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>
#include <vector>

namespace resnetd {
namespace {

using ::testing::ElementsAre;

RandomStream StreamOf(std::uint32_t index) {
  return {42, RandomPurpose::kStep, 7, index};
}

// Random123's known-answer tests of philox4x32 with 10 rounds.
TEST(PhiloxTest, HasThePublishedVectors) {
  EXPECT_THAT(Philox({0, 0, 0, 0}, {0, 0}),
              ElementsAre(0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8));
  constexpr std::uint32_t kOnes = 0xffffffff;
  EXPECT_THAT(Philox({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}),
              ElementsAre(0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd));
  EXPECT_THAT(Philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
                     {0xa4093822, 0x299f31d0}),
              ElementsAre(0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1));
}

TEST(RandomStreamTest, TakesTheWordsOfPhiloxInOrder) {
  RandomStream stream(5, RandomPurpose::kMixup, (9ULL << 32) | 8, 3);
  for (std::uint32_t block = 0; block < 3; ++block) {
    for (const std::uint32_t word : Philox({block, 3, 8, 9}, {5, 3U << 24})) {
      EXPECT_EQ(stream.Bits(), word);
    }
  }
}

TEST(RandomStreamTest, DependsOnAllOfItsPlace) {
  std::set<std::uint64_t> firsts;
  int streams = 0;
  for (const std::int64_t seed : {0LL, 1LL, 1LL << 40, (1LL << 53) - 1}) {
    for (const RandomPurpose purpose :
         {RandomPurpose::kOrder, RandomPurpose::kMixup, RandomPurpose::kHead}) {
      for (const std::uint64_t step : {0ULL, 1ULL, 1ULL << 33}) {
        for (const std::uint32_t index : {0U, 1U, 77U}) {
          firsts.insert(RandomStream(seed, purpose, step, index).Bits64());
          ++streams;
        }
      }
    }
  }
  EXPECT_EQ(static_cast<int>(firsts.size()), streams);
}

TEST(RandomStreamTest, IsUniform) {
  RandomStream stream = StreamOf(1);
  std::vector<int> bins(20, 0);
  constexpr int kDraws = 40000;
  for (int i = 0; i < kDraws; ++i) {
    const double value = stream.Uniform();
    ASSERT_GE(value, 0);
    ASSERT_LT(value, 1);
    ++bins[static_cast<std::size_t>(value * 20)];
  }
  double chi = 0;
  for (const int count : bins) {
    chi += (count - 2000.0) * (count - 2000.0) / 2000.0;
  }
  // 99.9 % of chi-square with 19 degrees of freedom.
  EXPECT_LT(chi, 43.8);
}

TEST(RandomStreamTest, DrawsBelowEveryBound) {
  RandomStream stream = StreamOf(2);
  for (const std::uint64_t n : {1ULL, 2ULL, 3ULL, 10ULL}) {
    std::map<std::uint64_t, int> counts;
    for (int i = 0; i < 6000; ++i) {
      ++counts[stream.Below(n)];
    }
    EXPECT_EQ(counts.size(), n);
    EXPECT_EQ(counts.rbegin()->first, n - 1);
    for (const auto& [value, count] : counts) {
      EXPECT_NEAR(count, 6000.0 / static_cast<double>(n), 160) << n;
    }
  }
  const std::uint64_t huge = (1ULL << 63) + 1;
  for (int i = 0; i < 100; ++i) {
    EXPECT_LT(stream.Below(huge), huge);
  }
}

struct Moments {
  double mean = 0;
  double variance = 0;
};

template <typename Draw>
Moments MomentsOf(int draws, const Draw& draw) {
  double sum = 0;
  double square = 0;
  for (int i = 0; i < draws; ++i) {
    const double value = draw();
    sum += value;
    square += value * value;
  }
  const double mean = sum / draws;
  return {.mean = mean, .variance = square / draws - mean * mean};
}

TEST(RandomStreamTest, IsNormal) {
  RandomStream stream = StreamOf(3);
  std::vector<double> values;
  const Moments moments = MomentsOf(40000, [&] {
    values.push_back(stream.Normal());
    return values.back();
  });
  EXPECT_NEAR(moments.mean, 0, 0.02);
  EXPECT_NEAR(moments.variance, 1, 0.03);
  // Kolmogorov and Smirnov: 1.95 / sqrt(n) is passed by 99.9 %.
  std::sort(values.begin(), values.end());
  double worst = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double cdf = 0.5 * std::erfc(-values[i] / std::sqrt(2.0));
    worst = std::max(worst, std::abs(cdf - static_cast<double>(i) / 40000));
  }
  EXPECT_LT(worst, 1.95 / std::sqrt(40000.0));
}

TEST(RandomStreamTest, IsGammaAndBetaOfAnyShape) {
  RandomStream stream = StreamOf(4);
  for (const double shape : {0.1, 0.5, 1.0, 2.5, 20.0}) {
    const Moments gamma = MomentsOf(40000, [&] { return stream.Gamma(shape); });
    EXPECT_NEAR(gamma.mean / shape, 1, 0.06) << shape;
    EXPECT_NEAR(gamma.variance / shape, 1, 0.12) << shape;
    const Moments beta = MomentsOf(40000, [&] {
      const double value = stream.Beta(shape);
      EXPECT_GE(value, 0);
      EXPECT_LE(value, 1);
      return value;
    });
    EXPECT_NEAR(beta.mean, 0.5, 0.01) << shape;
    EXPECT_NEAR(beta.variance, 0.25 / (2 * shape + 1), 0.005) << shape;
  }
}

TEST(RandomStreamTest, HasAnEndForBetasOfTinyShape) {
  RandomStream stream = StreamOf(5);
  for (int i = 0; i < 100; ++i) {
    const double value = stream.Beta(1e-5);
    EXPECT_TRUE(value >= 0 && value <= 1) << value;
  }
}

std::vector<std::uint64_t> Order(std::uint64_t n, std::uint64_t turn) {
  std::vector<std::uint64_t> order;
  for (std::uint64_t i = 0; i < n; ++i) {
    order.push_back(Permuted(42, RandomPurpose::kOrder, turn, n, i));
  }
  return order;
}

TEST(PermutedTest, IsAPermutationForEverySize) {
  for (std::uint64_t n = 1; n < 130; ++n) {
    std::vector<std::uint64_t> order = Order(n, n % 5);
    std::sort(order.begin(), order.end());
    std::vector<std::uint64_t> all(n);
    std::iota(all.begin(), all.end(), 0U);
    EXPECT_EQ(order, all) << n;
  }
}

TEST(PermutedTest, IsAnotherOneEachTurnAndTheSameAgain) {
  std::set<std::vector<std::uint64_t>> orders;
  for (std::uint64_t turn = 0; turn < 200; ++turn) {
    orders.insert(Order(20, turn));
    EXPECT_EQ(Order(20, turn), Order(20, turn));
  }
  EXPECT_EQ(orders.size(), 200U);
}

TEST(PermutedTest, DrawsEveryOrderOfFourAboutEquallyOften) {
  std::map<std::vector<std::uint64_t>, int> counts;
  for (std::uint64_t turn = 0; turn < 24000; ++turn) {
    ++counts[Order(4, turn)];
  }
  ASSERT_EQ(counts.size(), 24U);
  double chi = 0;
  for (const auto& [order, count] : counts) {
    chi += (count - 1000.0) * (count - 1000.0) / 1000.0;
  }
  // 99.9 % of chi-square with 23 degrees of freedom.
  EXPECT_LT(chi, 49.8);
}

TEST(PermutedTest, PutsEveryElementEverywhereEquallyOften) {
  constexpr std::uint64_t kSize = 11;
  std::vector<int> counts(kSize * kSize, 0);
  for (std::uint64_t turn = 0; turn < 5500; ++turn) {
    const std::vector<std::uint64_t> order = Order(kSize, turn);
    for (std::uint64_t i = 0; i < kSize; ++i) {
      ++counts[i * kSize + order[i]];
    }
  }
  double chi = 0;
  for (const int count : counts) {
    chi += (count - 500.0) * (count - 500.0) / 500.0;
  }
  // 99.9 % of chi-square with 100 degrees of freedom.
  EXPECT_LT(chi, 149.5);
}

TEST(PermutedTest, StaysBelowHugeSizes) {
  const std::uint64_t n = (1ULL << 40) + 12345;
  for (std::uint64_t i = 0; i < 100; ++i) {
    EXPECT_LT(Permuted(1, RandomPurpose::kOrder, 3, n, n - 1 - i), n);
  }
}

}  // namespace
}  // namespace resnetd
