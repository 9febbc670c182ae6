#include "server/models/version_tallies.h"

#include <gtest/gtest.h>

#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/thread.h"

namespace resnetd {
namespace {

const ModelName& Model() {
  static const ModelName name = ModelName::Parse("digits").value();
  return name;
}

TEST(VersionTalliesTest, CountsEachVersionForItself) {
  VersionTallies tallies;
  tallies.CountAnswer(Model(), {1}, 0.5);
  tallies.CountAnswer(Model(), {1}, 0.75);
  tallies.CountFailure(Model(), {1});
  tallies.CountAnswer(Model(), {2}, 1);
  const VersionTally first = tallies.Read(Model(), {1});
  EXPECT_EQ(first.answers, 2);
  EXPECT_EQ(first.failures, 1);
  EXPECT_EQ(first.confidence_sum, 1.25);
  EXPECT_EQ(tallies.Read(Model(), {2}).answers, 1);
  EXPECT_EQ(tallies.Read(ModelName::Parse("other").value(), {1}).answers, 0);
}

TEST(VersionTalliesTest, BeginsAnewWhenTold) {
  VersionTallies tallies;
  tallies.CountFailure(Model(), {1});
  tallies.Forget(Model(), {1});
  tallies.Forget(Model(), {7});
  EXPECT_EQ(tallies.Read(Model(), {1}).failures, 0);
}

TEST(VersionTalliesTest, WhatIsOldFades) {
  VersionTallies tallies;
  for (int i = 0; i < VersionTallies::kFading; ++i) {
    tallies.CountAnswer(Model(), {1}, 1);
  }
  EXPECT_EQ(tallies.Read(Model(), {1}).answers, VersionTallies::kFading);
  tallies.CountAnswer(Model(), {1}, 1);
  VersionTally tally = tallies.Read(Model(), {1});
  EXPECT_EQ(tally.answers, VersionTallies::kFading / 2 + 1);
  EXPECT_DOUBLE_EQ(tally.confidence_sum, static_cast<double>(tally.answers));
  for (int i = 0; i < 3 * VersionTallies::kFading; ++i) {
    tallies.CountAnswer(Model(), {1}, 0.5);
  }
  tally = tallies.Read(Model(), {1});
  EXPECT_LT(tally.confidence_sum / static_cast<double>(tally.answers), 0.52);
}

TEST(VersionTalliesTest, RemembersThoseThatAnsweredLast) {
  VersionTallies tallies;
  constexpr auto kMost =
      static_cast<std::int64_t>(VersionTallies::kMostVersions);
  for (std::int64_t version = 1; version <= kMost; ++version) {
    tallies.CountAnswer(Model(), {version}, 1);
  }
  tallies.CountAnswer(Model(), {1}, 1);
  tallies.CountAnswer(Model(), {kMost + 1}, 1);
  EXPECT_EQ(tallies.Read(Model(), {1}).answers, 2);
  EXPECT_EQ(tallies.Read(Model(), {2}).answers, 0);
  EXPECT_EQ(tallies.Read(Model(), {3}).answers, 1);
  EXPECT_EQ(tallies.Read(Model(), {kMost + 1}).answers, 1);
}

TEST(VersionTalliesTest, LosesNoCountOfSeveralThreads) {
  VersionTallies tallies;
  std::vector<Thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back("count", [&tallies] {
      for (int n = 0; n < 1000; ++n) {
        tallies.CountAnswer(Model(), {1}, 1);
        tallies.CountFailure(Model(), {1});
      }
    });
  }
  threads.clear();
  EXPECT_EQ(tallies.Read(Model(), {1}).answers, 4000);
  EXPECT_EQ(tallies.Read(Model(), {1}).failures, 4000);
}

}  // namespace
}  // namespace resnetd
