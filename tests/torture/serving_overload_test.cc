// What the scheduler makes of more than a server can do, without the noise of a
// machine: a server of exactly 100 images a second, see serving_world.h.

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "tests/torture/serving_loads.h"
#include "tests/torture/serving_world.h"

namespace resnetd {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class ServingOverloadTest : public testing::TestWithParam<double> {};

TEST_P(ServingOverloadTest, AnswersAsManyAsItCanAndNoneLate) {
  const auto calls = static_cast<std::size_t>(60 * kCapacity * GetParam());
  ServingReport report =
      ServingWorld(Offered({GetParam()}, calls), 7, Sabotage::kNone).Run();
  EXPECT_TRUE(report.violations.empty());
  const double seconds_served = ToSeconds(report.simulated) - kIdleAtTheEnd;
  EXPECT_GE(static_cast<double>(report.answered) / seconds_served / kCapacity,
            0.98);
  EXPECT_LE(Share(report.failed, report.answered), 0.001);
  // The target for the wait, and two full batches.
  std::sort(report.latencies.begin(), report.latencies.end());
  EXPECT_LE(report.latencies[report.latencies.size() * 99 / 100],
            seconds(1) + 2 * milliseconds(40));
}

INSTANTIATE_TEST_SUITE_P(Loads, ServingOverloadTest,
                         testing::Values(1.2, 2, 5, 10));

// Pictures that a decoder takes 71 ms for and a worker 35: with one decoder and
// two workers 14 a second, of which the network could do 57. What headers
// announce is far off: it has to be learnt.
constexpr Duration kDecode = milliseconds(71);
constexpr double kDecoded = 1000.0 / 71;

ServingScenario LargePictures(double load) {
  ServingScenario scenario = Offered({load * kDecoded / kCapacity}, 0);
  scenario.workers = 2;
  scenario.decoders = 1;
  scenario.models = {{.base = {}, .each = milliseconds(35)}};
  scenario.decode = kDecode;
  scenario.announced_decode = milliseconds(20);
  // Of 35 ms: two seconds.
  scenario.callers[0].min_patience = 57;
  scenario.callers[0].max_patience = 58;
  scenario.calls = static_cast<std::size_t>(120 * kDecoded * load);
  return scenario;
}

double DecodedShare(const ServingReport& report) {
  return static_cast<double>(report.answered) /
         (ToSeconds(report.simulated) - kIdleAtTheEnd) / kDecoded;
}

class DecodingOverloadTest : public testing::TestWithParam<double> {};

TEST_P(DecodingOverloadTest, AnswersAsManyAsDecodersCanAndNoneLate) {
  ServingReport report =
      ServingWorld(LargePictures(GetParam()), 7, Sabotage::kNone).Run();
  EXPECT_TRUE(report.violations.empty());
  EXPECT_GE(DecodedShare(report), 0.95);
  EXPECT_EQ(report.failed, 0U);
  // The target for the wait, and its own time.
  std::sort(report.latencies.begin(), report.latencies.end());
  EXPECT_LE(report.latencies[report.latencies.size() * 99 / 100],
            seconds(1) + 2 * (kDecode + milliseconds(35)));
}

TEST_P(DecodingOverloadTest,
       WhoDoesNotKnowWhatDecodersHaveToDoWastesTheirTime) {
  const ServingReport report =
      ServingWorld(LargePictures(GetParam()), 7, Sabotage::kBlindToDecoding)
          .Run();
  EXPECT_LT(DecodedShare(report), 0.8);
  EXPECT_GT(report.failed, report.answered / 2);
}

INSTANTIATE_TEST_SUITE_P(Loads, DecodingOverloadTest,
                         testing::Values(1.2, 2, 5, 10));

TEST(ServingRecoveryTest, IsBackWithinFiveSecondsOfAFloodOfRetries) {
  // Ten times what it can do for 30 s, everything refused is asked for three
  // times more; then 0.8 of it.
  ServingScenario scenario = Offered({0.8}, 35'000);
  scenario.flood_for = seconds(30);
  scenario.flood = 12.5;
  scenario.retries = 3;
  const ServingReport report = ServingWorld(scenario, 3, Sabotage::kNone).Run();
  EXPECT_TRUE(report.violations.empty());
  EXPECT_GT(report.refused, 50'000U);
  EXPECT_GT(report.calls_after_flood, 3000U);
  EXPECT_GE(Share(report.answered_after_flood, report.calls_after_flood), 0.99);
  EXPECT_LE(Share(report.failed, report.answered), 0.001);
}

class ServingSharesTest : public testing::TestWithParam<double> {};

TEST_P(ServingSharesTest, ACallerAtAHundredTimesItsShareLeavesOthersTheirs) {
  const ServingScenario scenario = Offered({100, GetParam()}, 200'000);
  const ServingReport report = ServingWorld(scenario, 1, Sabotage::kNone).Run();
  EXPECT_TRUE(report.violations.empty());
  EXPECT_GT(report.calls_of[1], 150U);
  EXPECT_GE(Share(report.answered_of[1], report.calls_of[1]), 0.95);
  // What it leaves is not lost.
  EXPECT_GE(static_cast<double>(report.answered) /
                (ToSeconds(report.simulated) - kIdleAtTheEnd) / kCapacity,
            0.95);
  // Not so for a scheduler that cannot tell them apart.
  const ServingReport without =
      ServingWorld(scenario, 1, Sabotage::kOneCaller).Run();
  EXPECT_LT(Share(without.answered_of[1], without.calls_of[1]), 0.5);
}

INSTANTIATE_TEST_SUITE_P(Loads, ServingSharesTest,
                         testing::Values(0.1, 0.3, 0.45));

}  // namespace
}  // namespace resnetd
