#include "server/finetune/comparison.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace resnetd {
namespace {

using ::testing::ElementsAre;

// From tests/oracle/evaluation_golden.py: scipy's binomtest.
struct Pair {
  std::int64_t b;
  std::int64_t c;
  double p;
  double relative;
};
constexpr Pair kPairs[] = {
    {0, 5, 0.0625, 1e-13},
    {1, 9, 0.021484375, 1e-13},
    {2, 10, 0.03857421875, 1e-13},
    {5, 6, 1.0, 1e-13},
    {10, 30, 0.0022214337732293643, 1e-13},
    {40, 75, 0.001412957498607674, 1e-12},
    {1000, 1100, 0.03072070786424249, 1e-11},
    {9000, 9500, 0.00024357068556988114, 1e-10},
    {500000, 502000, 0.0458246952632217, 1e-8},
    {0, 60, 1.734723475976807e-18, 1e-12},
    {0, 1000, 1.8665272370064378e-301, 1e-11},
};

TEST(McNemarTest, HasTheValuesOfAnExactBinomialTest) {
  for (const Pair& pair : kPairs) {
    EXPECT_NEAR(McNemar(pair.b, pair.c) / pair.p, 1, pair.relative)
        << pair.b << ", " << pair.c;
    EXPECT_EQ(McNemar(pair.b, pair.c), McNemar(pair.c, pair.b));
  }
}

TEST(ClassMapTest, MatchesByName) {
  EXPECT_THAT(ClassMap({"a", "b", "c"}, {"c", "x", "a"}),
              ElementsAre(2, -1, 0));
  EXPECT_THAT(ClassMap({}, {"a"}), ElementsAre());
  EXPECT_THAT(ClassMap({"a"}, {}), ElementsAre(-1));
  // ImageNet has two cranes and two maillots.
  EXPECT_THAT(
      ClassMap({"crane", "a", "crane", "crane"}, {"b", "crane", "crane", "a"}),
      ElementsAre(1, 3, 2, -1));
}

TEST(McNemarTest, IsOneWhenNeitherIsAhead) {
  for (const std::int64_t n : {0, 1, 7, 500, 1000000}) {
    EXPECT_EQ(McNemar(n, n), 1) << n;
  }
}

TEST(McNemarTest, FallsAsTheDifferenceGrows) {
  for (const std::int64_t n : {10, 11, 200, 5001}) {
    for (std::int64_t b = n / 2; b > 0; --b) {
      EXPECT_LE(McNemar(b - 1, n - b + 1), McNemar(b, n - b)) << n << ' ' << b;
      EXPECT_LE(McNemar(b, n - b), 1);
      EXPECT_GE(McNemar(b, n - b), 0);
    }
  }
}

// Logits that are 1 for one class of each example.
std::vector<float> Saying(const std::vector<int>& predicted, int classes) {
  std::vector<float> logits;
  for (const int best : predicted) {
    for (int i = 0; i < classes; ++i) {
      logits.push_back(i == best ? 1.0F : 0.0F);
    }
  }
  return logits;
}

TEST(CompareTest, CountsWhoIsRight) {
  const std::vector<int> labels = {0, 0, 1, 1, 1};
  const std::vector<float> champion = Saying({0, 0, 1, 0, 0}, 2);
  const std::vector<float> candidate = Saying({0, 1, 1, 1, 0}, 2);
  const PairedReport report = Compare({.values = champion, .classes = 2},
                                      {.values = candidate, .classes = 2},
                                      labels, std::vector<int>{0, 1});
  EXPECT_EQ(report.all.both, 2);
  EXPECT_EQ(report.all.only_champion, 1);
  EXPECT_EQ(report.all.only_candidate, 1);
  EXPECT_EQ(report.all.neither, 1);
  EXPECT_EQ(Examples(report.all), 5);
  EXPECT_DOUBLE_EQ(ChampionAccuracy(report.all), 0.6);
  EXPECT_DOUBLE_EQ(CandidateAccuracy(report.all), 0.6);
  EXPECT_EQ(report.p_value, 1);
  EXPECT_EQ(Examples(report.new_classes), 0);
  EXPECT_EQ(report.per_class[0].counts.only_champion, 1);
  EXPECT_EQ(report.per_class[1].counts.only_candidate, 1);
  EXPECT_EQ(report.candidate.correct, 3);
  EXPECT_EQ(report.champion.correct, 3);
}

// The champion knows c, a; the candidate a, b, c.
TEST(CompareTest, KnowsClassesByTheMapAndNewOnesByIt) {
  const std::vector<int> class_map = {2, 0};
  const std::vector<int> labels = {0, 1, 2, 2};
  const std::vector<float> champion = Saying({1, 0, 0, 1}, 2);
  const std::vector<float> candidate = Saying({0, 1, 2, 1}, 3);
  const PairedReport report =
      Compare({.values = champion, .classes = 2},
              {.values = candidate, .classes = 3}, labels, class_map);
  EXPECT_EQ(report.all.both, 2);
  EXPECT_EQ(report.all.only_candidate, 1);
  EXPECT_EQ(report.all.neither, 1);
  EXPECT_EQ(Examples(report.old_classes), 3);
  EXPECT_EQ(report.old_classes.both, 2);
  EXPECT_EQ(report.old_classes.neither, 1);
  EXPECT_EQ(Examples(report.new_classes), 1);
  EXPECT_EQ(report.new_classes.only_candidate, 1);
  EXPECT_TRUE(report.per_class[0].is_old);
  EXPECT_FALSE(report.per_class[1].is_old);
  EXPECT_TRUE(report.per_class[2].is_old);
  EXPECT_EQ(report.champion.examples, 3);
  EXPECT_EQ(report.champion.correct, 2);
}

TEST(CompareTest, HoldsAChampionWrongOnAClassThatTheCandidateLacks) {
  const std::vector<float> champion = Saying({1, 0}, 2);
  const std::vector<float> candidate = Saying({0, 0}, 1);
  const PairedReport report = Compare(
      {.values = champion, .classes = 2}, {.values = candidate, .classes = 1},
      std::vector<int>{0, 0}, std::vector<int>{0, -1});
  EXPECT_EQ(report.all.only_candidate, 1);
  EXPECT_EQ(report.all.both, 1);
}

TEST(CompareTest, ChangesSidesWhenTheModelsDo) {
  const std::vector<int> labels = {0, 1, 2, 0, 1, 2, 0};
  const std::vector<float> a = Saying({0, 1, 1, 0, 2, 2, 1}, 3);
  const std::vector<float> b = Saying({0, 0, 2, 1, 1, 2, 2}, 3);
  const std::vector<int> same = {0, 1, 2};
  const PairedReport one = Compare({.values = a, .classes = 3},
                                   {.values = b, .classes = 3}, labels, same);
  const PairedReport other = Compare({.values = b, .classes = 3},
                                     {.values = a, .classes = 3}, labels, same);
  EXPECT_EQ(one.all.only_champion, other.all.only_candidate);
  EXPECT_EQ(one.all.only_candidate, other.all.only_champion);
  EXPECT_EQ(one.all.both, other.all.both);
  EXPECT_EQ(one.p_value, other.p_value);
}

}  // namespace
}  // namespace resnetd
