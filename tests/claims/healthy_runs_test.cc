// A healthy training raises no alarm.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/clock.h"
#include "tests/claims/claims_fixture.h"
#include "tests/claims/digits_host.h"

namespace resnetd {
namespace {

struct HealthyRun {
  int stage_blocks = 1;
  bool zero_residual = false;
  double rate = 0.1;
  std::int64_t seed = 0;
};

// ResNet-8, -20 and -56, with and without residuals that begin as nothing, at
// three rates, and two of them with another seed.
std::vector<HealthyRun> AllRuns() {
  std::vector<HealthyRun> runs;
  for (const int stage_blocks : {1, 3, 9}) {
    for (const bool zero_residual : {false, true}) {
      for (const double rate : {0.01, 0.03, 0.1}) {
        runs.push_back({stage_blocks, zero_residual, rate});
      }
    }
  }
  runs.push_back({1, false, 0.1, 1});
  runs.push_back({1, true, 0.1, 1});
  return runs;
}

// Without the full form only the smallest networks, three epochs.
bool IsRun(const HealthyRun& run) {
  return IsLong() || (run.stage_blocks == 1 && run.rate >= 0.03);
}

std::vector<HealthyRun> RunsToDo() {
  std::vector<HealthyRun> runs = AllRuns();
  std::erase_if(runs, [](const HealthyRun& run) { return !IsRun(run); });
  return runs;
}

class HealthyRunsTest : public testing::TestWithParam<HealthyRun> {};

INSTANTIATE_TEST_SUITE_P(
    Runs, HealthyRunsTest, testing::ValuesIn(RunsToDo()), [](const auto& test) {
      const HealthyRun& run = test.param;
      return absl::StrCat(
          "res_", 6 * run.stage_blocks + 2,
          run.zero_residual ? "_zero_gamma" : "", "_at_rate_0_",
          absl::Dec(std::lround(1000 * run.rate), absl::kZeroPad3), "_seed_",
          run.seed);
    });

TEST_P(HealthyRunsTest, RaisesNoAlarm) {
  const HealthyRun& run = GetParam();
  const DigitsTraining training{.network = {.stage_blocks = run.stage_blocks,
                                            .zero_residual = run.zero_residual,
                                            .seed = run.seed},
                                .rate = run.rate,
                                .epochs = IsLong() ? 10 : 3};
  DigitsHost host(training, AllDigits());
  TrainLoop loop(LoopOptions(training, AllDigits()), host, RealClock());
  const absl::StatusOr<LoopResult> result = loop.Run();
  ASSERT_TRUE(result.ok()) << result.status();
  double least = 1e300;
  double most = 0;
  for (const GradientSample& sample : host.samples) {
    least = std::min(least, DepthRatio(sample).value());
    most = std::max(most, DepthRatio(sample).value());
  }
  std::cout << "accuracy " << result->best->accuracy << ", depth ratio "
            << least << " to " << most << ", " << host.samples.size()
            << " samples\n";
  for (const AlarmRaised& alarm : host.alarms) {
    ADD_FAILURE() << AlarmName(alarm.kind) << " at step " << alarm.step << ": "
                  << alarm.text;
  }
  EXPECT_EQ(result->setbacks, 0);
  EXPECT_GE(host.samples.size(), IsLong() ? 22U : 7U);
}

}  // namespace
}  // namespace resnetd
