#include "server/telemetry/gate_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/telemetry/text_exposition.h"

namespace resnetd {
namespace {

using testing::HasSubstr;

class GateMetricsTest : public testing::Test {
 protected:
  std::string Text() const { return FormatMetrics(registry_.Collect()); }

  prometheus::Registry registry_;
  const std::unique_ptr<GateMetrics> metrics_ = GateMetrics::Create(registry_);
};

TEST_F(GateMetricsTest, EveryReasonHasASeriesOfItsOwnFromTheStart) {
  const std::vector<std::pair<CallRefusal, std::string>> reasons = {
      {CallRefusal::kMaxCalls, "max_calls"},
      {CallRefusal::kMaxCallsPerConnection, "max_calls_per_connection"},
      {CallRefusal::kMaxCallsPerClient, "max_calls_per_client"},
      {CallRefusal::kMaxBytesHeld, "max_bytes_held"},
      {CallRefusal::kMaxBytesHeldPerClient, "max_bytes_held_per_client"},
      {CallRefusal::kTooLarge, "too_large"},
      {CallRefusal::kStarting, "starting"},
      {CallRefusal::kDraining, "draining"}};
  for (const auto& [reason, name] : reasons) {
    const std::string series =
        absl::StrCat("resnetd_rpc_refused_total{reason=\"", name, "\"} ");
    EXPECT_THAT(Text(), HasSubstr(series + "0\n"));
    metrics_->CountRefused(reason);
    EXPECT_THAT(Text(), HasSubstr(series + "1\n"));
  }
}

TEST_F(GateMetricsTest, TellsWhatIsHeldAndHowMuchMayBe) {
  metrics_->SetBytesLimit(1000);
  metrics_->SetBytesHeld(7);
  EXPECT_THAT(Text(), HasSubstr("resnetd_rpc_held_bytes 7\n"));
  EXPECT_THAT(Text(), HasSubstr("resnetd_rpc_held_limit_bytes 1000\n"));
}

TEST(NullGateMetricsTest, TakesEverything) {
  GateMetrics& metrics = NullGateMetrics();
  metrics.CountRefused(CallRefusal::kDraining);
  metrics.SetBytesLimit(1);
  metrics.SetBytesHeld(1);
}

}  // namespace
}  // namespace resnetd
