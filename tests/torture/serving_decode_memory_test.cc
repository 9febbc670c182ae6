// What the memory of decoders makes of loads that it is too short for, without
// the noise of a machine: see serving_world.h.

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>

#include "tests/torture/serving_loads.h"
#include "tests/torture/serving_world.h"

namespace resnetd {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

// Four decoders that take 71 ms for a picture, and memory for two.
constexpr Duration kDecode = milliseconds(71);
constexpr double kDecoded = 2 * 1000.0 / 71;

ServingScenario MemoryForTwo(double load) {
  ServingScenario scenario = Offered({load * kDecoded / kCapacity}, 0);
  scenario.workers = 4;
  scenario.decoders = 4;
  scenario.decode = kDecode;
  // Headers are far off: it has to be learnt.
  scenario.announced_decode = milliseconds(20);
  scenario.decode_bytes = 2;
  scenario.callers[0].least_picture_bytes = 1;
  scenario.callers[0].picture_bytes = 1;
  scenario.calls = static_cast<std::size_t>(120 * kDecoded * load);
  return scenario;
}

class DecodeMemoryLoadTest : public testing::TestWithParam<double> {};

TEST_P(DecodeMemoryLoadTest, AnswersAsManyAsTheMemoryLetsAndNoneLate) {
  ServingReport report =
      ServingWorld(MemoryForTwo(GetParam()), 7, Sabotage::kNone).Run();
  EXPECT_TRUE(report.violations.empty());
  const double seconds_served = ToSeconds(report.simulated) - kIdleAtTheEnd;
  EXPECT_GE(static_cast<double>(report.answered) / seconds_served / kDecoded,
            0.95);
  EXPECT_EQ(report.failed, 0U);
  // The target for the wait, and its own time.
  std::sort(report.latencies.begin(), report.latencies.end());
  EXPECT_LE(report.latencies[report.latencies.size() * 99 / 100],
            seconds(1) + 2 * (kDecode + milliseconds(10)));
}

INSTANTIATE_TEST_SUITE_P(Loads, DecodeMemoryLoadTest,
                         testing::Values(1.2, 2, 5, 10));

double AnsweredOf(const ServingReport& report, std::size_t caller) {
  return Share(report.answered_of[caller], report.calls_of[caller]);
}

// One client sends photos that keep two decoders at 0.4 of what they can do;
// another one, all the time, bytes whose header does not say how large they
// are: they count as the largest picture for the memory, and as the smallest
// for the time, so that they are first in line.
TEST(DecodeMemoryShareTest, HeadersThatSayNothingDoNotHoldUpPhotos) {
  ServingScenario scenario = Offered({0.4, 15}, 40'000);
  scenario.workers = 2;
  scenario.decoders = 2;
  scenario.decode_bytes = 512;
  ServingScenario::Caller& honest = scenario.callers[0];
  honest.least_picture_bytes = honest.picture_bytes = 72;
  honest.announced_decode = honest.decode = milliseconds(20);
  ServingScenario::Caller& hostile = scenario.callers[1];
  hostile.least_picture_bytes = hostile.picture_bytes = 300;
  hostile.announced_decode = microseconds(20);
  hostile.decode = milliseconds(1);
  hostile.broken = 1;
  const ServingReport report = ServingWorld(scenario, 1, Sabotage::kNone).Run();
  EXPECT_TRUE(report.violations.empty());
  EXPECT_GT(report.calls_of[0], 500U);
  EXPECT_GE(AnsweredOf(report, 0), 0.98);
  scenario.goes_on = true;
  // Not so where nobody passes the first in line.
  const ServingReport without =
      ServingWorld(scenario, 1, Sabotage::kNobodyPasses).Run();
  EXPECT_LT(AnsweredOf(without, 0), 0.7);
}

// More small pictures than decoders can do, and a few that need most of the
// memory.
TEST(DecodeMemoryShareTest, SmallPicturesDoNotKeepALargeOneWaiting) {
  ServingScenario scenario = Offered({4, 0.02}, 10'000);
  scenario.workers = 8;
  scenario.decoders = 4;
  scenario.decode = scenario.announced_decode = milliseconds(20);
  scenario.decode_bytes = 512;
  scenario.callers[0].least_picture_bytes = 100;
  scenario.callers[0].picture_bytes = 100;
  scenario.callers[1].least_picture_bytes = 400;
  scenario.callers[1].picture_bytes = 400;
  const ServingReport report = ServingWorld(scenario, 1, Sabotage::kNone).Run();
  EXPECT_TRUE(report.violations.empty());
  EXPECT_GT(report.calls_of[1], 30U);
  EXPECT_GE(AnsweredOf(report, 1), 0.95);
  scenario.goes_on = true;
  // Not so where everybody passes who finds room.
  const ServingReport without =
      ServingWorld(scenario, 1, Sabotage::kEverybodyPasses).Run();
  EXPECT_LT(AnsweredOf(without, 1), 0.5);
}

}  // namespace
}  // namespace resnetd
