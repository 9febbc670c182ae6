// The scheduler of the server in worlds drawn from seeds: see serving_world.h.

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tests/torture/serving_world.h"

namespace resnetd {
namespace {

constexpr char kFailedSeeds[] =
    RESNETD_SOURCE_DIR "/tests/torture/serving_seeds.txt";
constexpr char kSeedVariable[] = "RESNETD_SERVING_SEED";

std::string Variable(const char* name) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): no other thread runs.
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// Whether it went well; says what did not and how to see it again.
bool RunSeed(std::uint64_t seed, ServingReport& total) {
  const ServingReport report = ServingWorld(seed, Sabotage::kNone).Run();
  total.simulated += report.simulated;
  total.calls += report.calls;
  total.refused += report.refused;
  total.answered += report.answered;
  total.failed += report.failed;
  total.images_run += report.images_run;
  if (report.violations.empty()) {
    return true;
  }
  ADD_FAILURE() << "seed " << seed << ": "
                << absl::StrJoin(report.violations, "; ")
                << "\nagain: " << kSeedVariable << "=" << seed
                << " build/dev/bin/serving_simulation_test "
                   "--gtest_filter='*OneSeed*'\nkeep it: echo "
                << seed << " >> tests/torture/serving_seeds.txt";
  return false;
}

TEST(ServingSimulationTest, KeepsItsPromisesForOneSeed) {
  ServingReport total;
  std::uint64_t seed = 1;
  if (const std::string given = Variable(kSeedVariable); !given.empty()) {
    ASSERT_TRUE(absl::SimpleAtoi(given, &seed)) << given;
  }
  RunSeed(seed, total);
}

TEST(ServingSimulationTest, KeepsItsPromisesForSeedsThatOnceFailed) {
  std::ifstream file(kFailedSeeds);
  ASSERT_TRUE(file.is_open()) << kFailedSeeds;
  ServingReport total;
  std::uint64_t seed = 0;
  std::size_t seeds = 0;
  while (file >> seed) {
    RunSeed(seed, total);
    ++seeds;
  }
  EXPECT_TRUE(file.eof()) << "after " << seeds << " numbers";
}

TEST(ServingSimulationTest, KeepsItsPromisesWhateverHappens) {
  const bool is_long = !Variable("RESNETD_TEST_LONG").empty();
  ServingReport total;
  int failed = 0;
  for (std::uint64_t seed = 1; seed <= (is_long ? 100'000U : 5'000U); ++seed) {
    failed += RunSeed(seed, total) ? 0 : 1;
    ASSERT_LT(failed, 5);
  }
  const auto hours =
      std::chrono::duration_cast<std::chrono::hours>(total.simulated).count();
  RecordProperty("simulated_hours", static_cast<int>(hours));
  RecordProperty("calls", static_cast<int>(total.calls));
  EXPECT_GE(hours, is_long ? 20 : 1);
  // Worlds in which nothing happens prove nothing.
  EXPECT_GT(total.answered, total.calls / 10);
  EXPECT_GT(total.refused, total.calls / 10);
  EXPECT_GT(total.failed, total.calls / 100);
  EXPECT_GT(total.images_run, total.answered);
}

class SabotageTest : public testing::TestWithParam<Sabotage> {};

TEST_P(SabotageTest, IsFoundWithinAFewWorlds) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    if (!ServingWorld(seed, GetParam()).Run().violations.empty()) {
      EXPECT_TRUE(ServingWorld(seed, Sabotage::kNone).Run().violations.empty());
      return;
    }
  }
  FAIL() << "nothing was wrong in 300 worlds";
}

INSTANTIATE_TEST_SUITE_P(
    All, SabotageTest,
    testing::Values(Sabotage::kLatestFirst, Sabotage::kWaitForFull,
                    Sabotage::kNoFloor, Sabotage::kOneCaller,
                    Sabotage::kNoAdmission, Sabotage::kRunUnwanted,
                    Sabotage::kLoseImage, Sabotage::kAnswerTwice,
                    Sabotage::kNoDecodeMemory, Sabotage::kNobodyPasses,
                    Sabotage::kEverybodyPasses, Sabotage::kKeepRoom,
                    Sabotage::kComeOnce, Sabotage::kNoCallLimits,
                    Sabotage::kOneClient, Sabotage::kKeepTicket));

// Of many worlds, with their wall clocks left alone or set back an hour with
// every event.
std::vector<ServingReport> WithWallClock(bool goes_back, Sabotage sabotage) {
  std::vector<ServingReport> reports;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    ServingScenario scenario(seed);
    scenario.wall_goes_back = goes_back;
    reports.push_back(ServingWorld(scenario, seed, sabotage).Run());
  }
  return reports;
}

TEST(ServingWallClockTest, AWallClockThatGoesBackChangesNothing) {
  const std::vector<ServingReport> left_alone =
      WithWallClock(false, Sabotage::kNone);
  EXPECT_TRUE(left_alone == WithWallClock(true, Sabotage::kNone));
  // It would be seen.
  EXPECT_TRUE(left_alone == WithWallClock(false, Sabotage::kReadWall));
  EXPECT_FALSE(left_alone == WithWallClock(true, Sabotage::kReadWall));
}

}  // namespace
}  // namespace resnetd
