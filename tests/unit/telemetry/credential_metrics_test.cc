#include "server/telemetry/credential_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <chrono>
#include <memory>
#include <string>

#include "server/telemetry/text_exposition.h"

namespace resnetd {
namespace {

using testing::HasSubstr;
using testing::Not;

class CredentialMetricsTest : public testing::Test {
 protected:
  std::string Text() const { return FormatMetrics(registry_.Collect()); }

  prometheus::Registry registry_;
  const std::unique_ptr<CredentialMetrics> metrics_ =
      CredentialMetrics::Create(registry_);
};

TEST_F(CredentialMetricsTest, WhatIsNotInForceHasNoSeries) {
  EXPECT_THAT(Text(), Not(HasSubstr("kind=")));
  metrics_->InForce(CredentialKind::kTokens);
  EXPECT_THAT(Text(), Not(HasSubstr("kind=\"certificate\"")));
}

TEST_F(CredentialMetricsTest, CountersAreThereBeforeTheFirstReload) {
  metrics_->InForce(CredentialKind::kTokens);
  EXPECT_THAT(
      Text(),
      testing::AllOf(
          HasSubstr("resnetd_credential_reloads_total{kind=\"tokens\","
                    "outcome=\"ok\"} 0\n"),
          HasSubstr("resnetd_credential_reloads_total{kind=\"tokens\","
                    "outcome=\"failed\"} 0\n"),
          HasSubstr(
              "resnetd_credential_last_reload_successful{kind=\"tokens\"} "
              "1\n")));
}

TEST_F(CredentialMetricsTest, TheLastReloadDecidesAndEachIsCounted) {
  metrics_->InForce(CredentialKind::kCertificate);
  metrics_->Reloaded(CredentialKind::kCertificate,
                     absl::InvalidArgumentError("half a pair"));
  EXPECT_THAT(Text(),
              HasSubstr("last_reload_successful{kind=\"certificate\"} 0\n"));
  metrics_->Reloaded(CredentialKind::kCertificate, absl::OkStatus());
  EXPECT_THAT(Text(),
              testing::AllOf(
                  HasSubstr("last_reload_successful{kind=\"certificate\"} 1\n"),
                  HasSubstr("{kind=\"certificate\",outcome=\"ok\"} 1\n"),
                  HasSubstr("{kind=\"certificate\",outcome=\"failed\"} 1\n")));
}

TEST_F(CredentialMetricsTest, ARenewedCertificateMovesItsExpiry) {
  constexpr WallTime kEnd{std::chrono::seconds(1912345678)};
  metrics_->SetExpiry(CredentialKind::kCertificate, kEnd);
  EXPECT_THAT(Text(), HasSubstr("resnetd_credential_expiry_timestamp_seconds{"
                                "kind=\"certificate\"} 1912345678\n"));
  metrics_->SetExpiry(CredentialKind::kCertificate,
                      kEnd + std::chrono::hours(1));
  EXPECT_THAT(Text(), HasSubstr("{kind=\"certificate\"} 1912349278\n"));
}

}  // namespace
}  // namespace resnetd
