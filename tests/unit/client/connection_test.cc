#include "client/connection.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace resnetd::client {
namespace {

TEST(ServiceConfigTest, RepeatsWhatIsSafeAndNothingElse) {
  const auto config = nlohmann::json::parse(ServiceConfig(true));
  EXPECT_EQ(config["healthCheckConfig"]["serviceName"], "");
  EXPECT_EQ(config["loadBalancingConfig"][0].begin().key(), "round_robin");
  const auto& method = config["methodConfig"][0];
  EXPECT_EQ(method["retryPolicy"], nlohmann::json::parse(R"({
    "maxAttempts": 4, "initialBackoff": "0.05s", "maxBackoff": "1s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"]})"));
  // Whole services are named only where every method is safe to repeat.
  EXPECT_EQ(method["name"][0]["method"], "Classify");
  EXPECT_EQ(method["name"].size(), 6U);
}

TEST(ServiceConfigTest, AsksForHealthOnlyWhereTold) {
  EXPECT_FALSE(nlohmann::json::parse(ServiceConfig(false))
                   .contains("healthCheckConfig"));
}

}  // namespace
}  // namespace resnetd::client
