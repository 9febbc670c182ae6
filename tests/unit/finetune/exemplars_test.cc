#include "server/finetune/exemplars.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/finetune/random.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

std::vector<std::string> DigestsOf(int count) {
  std::vector<std::string> digests;
  for (int i = 0; i < count; ++i) {
    digests.push_back(absl::StrCat("digest-", i));
  }
  return digests;
}

std::vector<int> Alternating(int count, int classes) {
  std::vector<int> labels;
  for (int i = 0; i < count; ++i) {
    labels.push_back(i % classes);
  }
  return labels;
}

TEST(ChooseByHashTest, TakesSoManyOfEachClass) {
  const std::vector<int> labels = Alternating(40, 4);
  const auto chosen = ChooseByHash(DigestsOf(40), labels, 3, 5);
  ASSERT_EQ(chosen.size(), 12U);
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    EXPECT_EQ(labels[chosen[i]], static_cast<int>(i / 3));
  }
  EXPECT_EQ(std::set<std::size_t>(chosen.begin(), chosen.end()).size(), 12U);
}

TEST(ChooseByHashTest, TakesAllOfASmallClassAndNoneOfNone) {
  EXPECT_THAT(ChooseByHash(DigestsOf(3), std::vector<int>{0, 1, 0}, 5, 1),
              UnorderedElementsAre(0, 1, 2));
  EXPECT_THAT(ChooseByHash(DigestsOf(3), std::vector<int>{0, 1, 0}, 0, 1),
              IsEmpty());
  EXPECT_THAT(ChooseByHash({}, {}, 5, 1), IsEmpty());
}

TEST(PerClassForAtLeastTest, IsMoreWhereClassesAreFewAndMoreAreThere) {
  struct Case {
    std::vector<int> labels;
    std::size_t per_class;
    std::size_t least;
    std::size_t expected;
  };
  std::vector<int> uneven(30, 0);
  uneven.insert(uneven.end(), 4, 1);
  const Case cases[] = {
      // Enough already, just enough, one too few.
      {Alternating(40, 4), 3, 11, 3},
      {Alternating(40, 4), 3, 12, 3},
      {Alternating(40, 4), 3, 13, 4},
      // A small class gives what it has, others make up for it.
      {uneven, 2, 20, 16},
      // All of them are too few.
      {Alternating(10, 2), 2, 50, 5},
      {uneven, 2, 1000, 30},
      {Alternating(10, 2), 7, 50, 7},
      {{}, 2, 50, 2},
      {Alternating(10, 2), 0, 0, 0},
  };
  for (const Case& one : cases) {
    EXPECT_EQ(PerClassForAtLeast(one.labels, one.per_class, one.least),
              one.expected)
        << one.labels.size() << ", " << one.per_class << ", " << one.least;
  }
}

TEST(ChooseByHashTest, DependsOnTheSeedButNotOnTheOrder) {
  const std::vector<int> labels(30, 0);
  std::vector<std::string> digests = DigestsOf(30);
  const auto chosen = ChooseByHash(digests, labels, 4, 1);
  EXPECT_NE(chosen, ChooseByHash(digests, labels, 4, 2));
  std::vector<std::string> reversed(digests.rbegin(), digests.rend());
  std::vector<std::size_t> mirrored;
  for (const std::size_t i : ChooseByHash(reversed, labels, 4, 1)) {
    mirrored.push_back(29 - i);
  }
  EXPECT_EQ(mirrored, chosen);
}

TEST(ChooseByHashTest, ReplacesAtMostOneForEachNewExample) {
  const auto before =
      ChooseByHash(DigestsOf(30), std::vector<int>(30, 0), 5, 1);
  const auto after = ChooseByHash(DigestsOf(33), std::vector<int>(33, 0), 5, 1);
  const std::set<std::size_t> kept(after.begin(), after.end());
  int gone = 0;
  for (const std::size_t i : before) {
    gone += kept.count(i) == 0 ? 1 : 0;
  }
  EXPECT_LE(gone, 3);
}

// On a circle: features have length 1 as they are.
std::vector<float> AtAngles(const std::vector<double>& degrees) {
  std::vector<float> features;
  for (const double degree : degrees) {
    features.push_back(static_cast<float>(std::cos(degree * 0.0174532925)));
    features.push_back(static_cast<float>(std::sin(degree * 0.0174532925)));
  }
  return features;
}

TEST(ChooseByHerdingTest, TakesTheMiddleFirstAndThenBothSides) {
  // The mean direction is 0.
  const std::vector<float> features = AtAngles({-40, 40, 3, 20, -23});
  const auto chosen = ChooseByHerding(features, 2, std::vector<int>(5, 0), 3);
  ASSERT_EQ(chosen.size(), 3U);
  EXPECT_EQ(chosen[0], 2U);
  EXPECT_THAT(ChooseByHerding(features, 2, std::vector<int>(5, 0), 2),
              ElementsAre(chosen[0], chosen[1]));
}

// Every choice, one by one, written out plainly.
std::vector<std::size_t> PlainHerding(const std::vector<float>& features,
                                      std::size_t size, std::size_t count) {
  const std::size_t examples = features.size() / size;
  std::vector<std::vector<double>> unit(examples, std::vector<double>(size));
  std::vector<double> mean(size, 0);
  for (std::size_t i = 0; i < examples; ++i) {
    double square = 0;
    for (std::size_t d = 0; d < size; ++d) {
      square += std::pow(static_cast<double>(features[i * size + d]), 2);
    }
    for (std::size_t d = 0; d < size; ++d) {
      unit[i][d] = features[i * size + d] / std::sqrt(square);
      mean[d] += unit[i][d] / static_cast<double>(examples);
    }
  }
  std::vector<std::size_t> chosen;
  while (chosen.size() < count) {
    std::size_t best = examples;
    double least = std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < examples; ++i) {
      bool is_taken = false;
      for (const std::size_t taken : chosen) {
        is_taken = is_taken || taken == i;
      }
      double distance = 0;
      for (std::size_t d = 0; d < size; ++d) {
        double sum = unit[i][d];
        for (const std::size_t taken : chosen) {
          sum += unit[taken][d];
        }
        distance +=
            std::pow(mean[d] - sum / static_cast<double>(chosen.size() + 1), 2);
      }
      if (!is_taken && distance < least - 1e-12) {
        least = distance;
        best = i;
      }
    }
    chosen.push_back(best);
  }
  return chosen;
}

TEST(ChooseByHerdingTest, TakesWhatThePlainSearchTakes) {
  for (std::uint32_t run = 0; run < 10; ++run) {
    RandomStream stream(1, RandomPurpose::kStep, 0, run);
    std::vector<float> features(60 * 8);
    for (float& value : features) {
      value = static_cast<float>(stream.Uniform(-0.2, 1));
    }
    EXPECT_EQ(ChooseByHerding(features, 8, std::vector<int>(60, 0), 12),
              PlainHerding(features, 8, 12));
  }
}

TEST(ChooseByHerdingTest, ChoosesEachClassAlone) {
  const std::vector<float> features = AtAngles({0, 90, 10, 100, -10, 80});
  const auto chosen =
      ChooseByHerding(features, 2, std::vector<int>{0, 1, 0, 1, 0, 1}, 1);
  EXPECT_THAT(chosen, ElementsAre(0, 1));
}

TEST(ChooseByHerdingTest, TakesBrokenFeaturesLastAndZerosToo) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> features = {nan, 1, 1, 0, 0, 0};
  const auto chosen = ChooseByHerding(features, 2, std::vector<int>(3, 0), 5);
  ASSERT_EQ(chosen.size(), 3U);
  EXPECT_EQ(chosen[2], 0U);
}

}  // namespace
}  // namespace resnetd
