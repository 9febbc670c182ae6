#include "server/base/suggest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

namespace resnetd {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(EditDistanceTest, CountsInsertsDeletesReplacementsAndSwaps) {
  EXPECT_EQ(EditDistance("", ""), 0U);
  EXPECT_EQ(EditDistance("", "abc"), 3U);
  EXPECT_EQ(EditDistance("abc", ""), 3U);
  EXPECT_EQ(EditDistance("abc", "abc"), 0U);
  EXPECT_EQ(EditDistance("abc", "abxc"), 1U);
  EXPECT_EQ(EditDistance("abc", "ac"), 1U);
  EXPECT_EQ(EditDistance("abc", "axc"), 1U);
  EXPECT_EQ(EditDistance("abc", "acb"), 1U);
  EXPECT_EQ(EditDistance("kitten", "sitting"), 3U);
  EXPECT_EQ(EditDistance("ca", "abc"), 3U);  // restricted: no edit of a swap
}

TEST(EditDistanceTest, IgnoresCase) {
  EXPECT_EQ(EditDistance("ResNet", "resnet"), 0U);
}

TEST(EditDistanceTest, IsSymmetricAndBoundedByTheLongerText) {
  std::mt19937 random(1);
  const auto word = [&random] {
    std::string text(random() % 8, 'a');
    for (char& c : text) {
      c = static_cast<char>('a' + random() % 3);
    }
    return text;
  };
  for (int i = 0; i < 2000; ++i) {
    const std::string a = word();
    const std::string b = word();
    const std::size_t distance = EditDistance(a, b);
    EXPECT_EQ(distance, EditDistance(b, a)) << a << " " << b;
    EXPECT_LE(distance, std::max(a.size(), b.size())) << a << " " << b;
    EXPECT_EQ(distance == 0, a == b) << a << " " << b;
  }
}

TEST(NearestNamesTest, PutsTheNearestFirst) {
  const std::vector<std::string> names = {"resnet18", "resnet34", "resnet50",
                                          "wide_resnet50_2"};
  EXPECT_THAT(NearestNames("resnet5", names),
              ElementsAre("resnet50", "resnet18", "resnet34"));
  EXPECT_THAT(NearestNames("resnet5", names, 1), ElementsAre("resnet50"));
  EXPECT_THAT(NearestNames("wideresnet50_2", names),
              ElementsAre("wide_resnet50_2"));
}

TEST(NearestNamesTest, IsEmptyWhenNothingIsNear) {
  const std::vector<std::string> names = {"crop", "resize"};
  EXPECT_THAT(NearestNames("description", names), IsEmpty());
  EXPECT_THAT(NearestNames("", names), IsEmpty());
  EXPECT_THAT(NearestNames("crop", {}), IsEmpty());
  EXPECT_THAT(NearestNames(std::string(1'000'000, 'c'), names), IsEmpty());
}

TEST(DidYouMeanTest, IsTheEndOfASentence) {
  const std::vector<std::string> names = {"mean", "std", "stem"};
  EXPECT_EQ(DidYouMean("maen", names), "; did you mean \"mean\"?");
  EXPECT_EQ(DidYouMean("sdt", names), "; did you mean \"std\"?");
  EXPECT_EQ(DidYouMean("ste", names), "; did you mean \"std\" or \"stem\"?");
  EXPECT_EQ(DidYouMean("architecture", names), "");
}

}  // namespace
}  // namespace resnetd
