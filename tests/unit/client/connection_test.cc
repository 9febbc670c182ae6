#include "client/connection.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace resnetd::client {
namespace {

TEST(ServiceConfigTest, SpreadsCallsAndLeavesRepetitionsToTheClient) {
  EXPECT_EQ(nlohmann::json::parse(ServiceConfig("")), nlohmann::json::parse(R"({
    "loadBalancingConfig": [{"round_robin": {}}],
    "healthCheckConfig": {"serviceName": ""}})"));
  EXPECT_EQ(nlohmann::json::parse(ServiceConfig(
                "models/\"x"))["healthCheckConfig"]["serviceName"],
            "models/\"x");
}

TEST(ServiceConfigTest, AsksForHealthOnlyWhereTold) {
  EXPECT_FALSE(nlohmann::json::parse(ServiceConfig(std::nullopt))
                   .contains("healthCheckConfig"));
}

}  // namespace
}  // namespace resnetd::client
