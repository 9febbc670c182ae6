#include "client/cli/doctor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace resnetd::cli {
namespace {

using client::Residency;
using client::ServerInfo;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::system_clock;
using ::testing::HasSubstr;

TEST(JudgeReadinessTest, FailsUnlessItServes) {
  EXPECT_EQ(JudgeReadiness(client::Serving::kServing).verdict, Verdict::kOk);
  const Finding sick = JudgeReadiness(client::Serving::kNotServing);
  EXPECT_EQ(sick.verdict, Verdict::kFail);
  EXPECT_NE(sick.advice, "");
  EXPECT_EQ(JudgeReadiness(client::Serving::kUnknown).verdict, Verdict::kFail);
  EXPECT_EQ(JudgeReadiness(absl::UnimplementedError("no")).verdict,
            Verdict::kFail);
}

TEST(JudgeVersionsTest, WarnsOfDifferentReleases) {
  ServerInfo info;
  info.version = "0.1.0";
  EXPECT_EQ(JudgeVersions("0.1.0", info).verdict, Verdict::kOk);
  EXPECT_EQ(JudgeVersions("0.2.0", info).verdict, Verdict::kWarn);
}

TEST(JudgeModelsTest, JudgesEachByItsState) {
  const auto verdict = [](Residency residency) {
    client::Model model;
    model.name = "models/a";
    model.residency = residency;
    return JudgeModels(std::vector<client::Model>{model}).at(0).verdict;
  };
  EXPECT_EQ(verdict(Residency::kReady), Verdict::kOk);
  for (const Residency residency :
       {Residency::kUnknown, Residency::kUnloaded, Residency::kLoading,
        Residency::kWarming, Residency::kDraining}) {
    EXPECT_EQ(verdict(residency), Verdict::kWarn);
  }
  EXPECT_EQ(verdict(Residency::kFailed), Verdict::kFail);
}

TEST(JudgeModelsTest, FailsWithoutAnyModel) {
  EXPECT_EQ(JudgeModels(std::vector<client::Model>()).at(0).verdict,
            Verdict::kFail);
  EXPECT_EQ(JudgeModels(absl::InternalError("x")).at(0).verdict,
            Verdict::kFail);
}

TEST(JudgeBackendsTest, WarnsOfOneAndFailsWithoutAny) {
  ServerInfo info;
  info.backends = {{"engine", true, "AVX2"}, {"torch", false, "missing"}};
  std::vector<Finding> findings = JudgeBackends(info);
  ASSERT_EQ(findings.size(), 2U);
  EXPECT_EQ(findings[0].verdict, Verdict::kOk);
  EXPECT_EQ(findings[1].verdict, Verdict::kWarn);
  EXPECT_THAT(findings[1].advice, HasSubstr("./dev setup"));

  info.backends[0].usable = false;
  findings = JudgeBackends(info);
  ASSERT_EQ(findings.size(), 3U);
  EXPECT_EQ(findings[2].verdict, Verdict::kFail);
}

TEST(JudgeLimitsTest, WarnsOfLimitsBelowWhatClassifySends) {
  const auto verdict = [](std::int64_t images, std::int64_t bytes) {
    ServerInfo info;
    info.limits = {{"max-images-per-request", images},
                   {"max-image-bytes", bytes}};
    return JudgeLimits(info).verdict;
  };
  EXPECT_EQ(verdict(32, 20 << 20), Verdict::kOk);
  EXPECT_EQ(verdict(31, 20 << 20), Verdict::kWarn);
  EXPECT_EQ(verdict(33, (20 << 20) - 1), Verdict::kWarn);
  EXPECT_EQ(JudgeLimits(ServerInfo()).verdict, Verdict::kOk);
}

TEST(JudgeClockTest, AllowsForTheWayAndWarnsBeyondFiveSeconds) {
  const system_clock::time_point now(std::chrono::hours(500'000));
  ServerInfo info;
  info.uptime = seconds(100);
  const auto judge = [&](milliseconds skew, milliseconds round_trip) {
    info.start_time = now - info.uptime + skew;
    return JudgeClock(info, now, round_trip);
  };
  EXPECT_EQ(judge(milliseconds(0), milliseconds(1)).verdict, Verdict::kOk);
  EXPECT_EQ(judge(milliseconds(5000), milliseconds(0)).verdict, Verdict::kOk);
  EXPECT_EQ(judge(milliseconds(-5000), milliseconds(0)).verdict, Verdict::kOk);
  const Finding ahead = judge(milliseconds(5001), milliseconds(0));
  EXPECT_EQ(ahead.verdict, Verdict::kWarn);
  EXPECT_THAT(ahead.message, HasSubstr("5.00 s ahead of"));
  EXPECT_THAT(judge(seconds(-90), milliseconds(0)).message,
              HasSubstr("90.00 s behind"));
  // It read its clock half a round trip before the answer came.
  EXPECT_EQ(judge(seconds(-10), seconds(20)).verdict, Verdict::kOk);
  // A server that does not tell when it started.
  info.start_time = {};
  EXPECT_EQ(JudgeClock(info, now, seconds(0)).verdict, Verdict::kWarn);
}

TEST(JudgeMetricsTest, LooksForMetricsOfResnetd) {
  EXPECT_EQ(JudgeMetrics(HttpAnswer{200, "resnetd_images_total 1\n"}).verdict,
            Verdict::kOk);
  EXPECT_EQ(JudgeMetrics(HttpAnswer{404, ""}).verdict, Verdict::kFail);
  EXPECT_EQ(JudgeMetrics(HttpAnswer{200, "go_threads 7\n"}).verdict,
            Verdict::kFail);
  EXPECT_EQ(JudgeMetrics(absl::UnavailableError("x")).verdict, Verdict::kFail);
}

TEST(JudgeDriverTest, WarnsOfHalfADriverOnly) {
  EXPECT_EQ(JudgeDriver({true, true}).verdict, Verdict::kOk);
  EXPECT_EQ(JudgeDriver({false, false}).verdict, Verdict::kOk);
  EXPECT_EQ(JudgeDriver({true, false}).verdict, Verdict::kWarn);
  EXPECT_EQ(JudgeDriver({false, true}).verdict, Verdict::kWarn);
}

}  // namespace
}  // namespace resnetd::cli
