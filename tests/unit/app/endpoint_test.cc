#include "server/app/endpoint.h"

#include <gtest/gtest.h>

#include <string>

namespace resnetd {
namespace {

struct EndpointCase {
  std::string text;
  Endpoint expected;
};

class ParseEndpointTest : public testing::TestWithParam<EndpointCase> {};

TEST_P(ParseEndpointTest, Reads) {
  const auto endpoint = ParseEndpoint("--listen", GetParam().text);
  ASSERT_TRUE(endpoint.ok()) << endpoint.status();
  EXPECT_EQ(*endpoint, GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(
    Table, ParseEndpointTest,
    testing::Values(EndpointCase{"8001", {"", 8001}},
                    EndpointCase{":8001", {"", 8001}},
                    EndpointCase{":0", {"", 0}},
                    EndpointCase{":65535", {"", 65'535}},
                    EndpointCase{"localhost:1", {"localhost", 1}},
                    EndpointCase{"10.0.0.1:80", {"10.0.0.1", 80}},
                    EndpointCase{"[::1]:80", {"::1", 80}}));

TEST(ParseEndpointTest, RefusesWhatIsNoEndpoint) {
  for (const char* text : {"", ":", "host", "host:", ":65536", ":-1", "::1",
                           "::1:80", "host:80x", "[::1]"}) {
    const auto endpoint = ParseEndpoint("--listen", text);
    EXPECT_EQ(endpoint.status().code(), absl::StatusCode::kInvalidArgument)
        << text;
    EXPECT_NE(endpoint.status().message().find("--listen"),
              absl::string_view::npos);
  }
}

}  // namespace
}  // namespace resnetd
