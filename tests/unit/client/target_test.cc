#include "client/target.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "client/error_info.h"

namespace resnetd::client {
namespace {

TEST(ParseTargetTest, TakesHostsWithAndWithoutPort) {
  const Target with_port = *ParseTarget("gpu-box.example:9001");
  EXPECT_EQ(with_port.grpc, "dns:///gpu-box.example:9001");
  EXPECT_EQ(with_port.shown, "gpu-box.example:9001");
  EXPECT_FALSE(with_port.local);
  EXPECT_EQ(ParseTarget("gpu-box")->shown, "gpu-box:8001");
  EXPECT_EQ(ParseTarget("10.0.0.1:1")->shown, "10.0.0.1:1");
  EXPECT_EQ(ParseTarget("host:65535")->shown, "host:65535");
}

TEST(ParseTargetTest, TakesIpv6InBrackets) {
  EXPECT_EQ(ParseTarget("[::1]:8002")->grpc, "dns:///[::1]:8002");
  EXPECT_EQ(ParseTarget("[2001:db8::1]")->shown, "[2001:db8::1]:8001");
}

TEST(ParseTargetTest, LeavesTargetsWithASchemeAsTheyAre) {
  EXPECT_EQ(ParseTarget("dns:///a.b:1")->grpc, "dns:///a.b:1");
  EXPECT_EQ(ParseTarget("unix:/run/x.sock")->shown, "unix:/run/x.sock");
}

TEST(ParseTargetTest, KnowsWhatIsOnThisMachine) {
  for (const char* local : {"localhost", "localhost:1", "127.0.0.1:8001",
                            "127.1.2.3", "[::1]:8001", "unix:/x"}) {
    EXPECT_TRUE(ParseTarget(local)->local) << local;
  }
  for (const char* remote :
       {"localhost.example", "128.0.0.1", "[::2]:1", "dns:///localhost:8001"}) {
    EXPECT_FALSE(ParseTarget(remote)->local) << remote;
  }
}

TEST(ParseTargetTest, TakesAListAndKeepsItForWhoLooksItUp) {
  const Target list = *ParseTarget("gpu-1:9001,gpu-2,[::1]:7");
  EXPECT_EQ(list.shown, "gpu-1:9001,gpu-2:8001,[::1]:7");
  EXPECT_EQ(list.grpc, "");
  EXPECT_FALSE(list.local);
  ASSERT_EQ(list.list.size(), 3U);
  EXPECT_EQ(list.list[2], (std::pair<std::string, int>("::1", 7)));
  EXPECT_TRUE(ParseTarget("localhost:1,127.0.0.1:2")->local);
  // One name is looked up by gRPC, again and again.
  EXPECT_EQ(ParseTarget("gpu-1")->grpc, "dns:///gpu-1:8001");
}

TEST(EachServerTest, IsOneForEachAddress) {
  using Servers = std::vector<std::string>;
  EXPECT_EQ(*EachServer("127.0.0.1:1,127.0.0.2,127.0.0.1:1"),
            (Servers{"127.0.0.1:1", "127.0.0.2:8001"}));
  EXPECT_EQ(*EachServer("[::1]:7"), (Servers{"[::1]:7"}));
  EXPECT_EQ(*EachServer("dns:///127.0.0.1:5"), (Servers{"127.0.0.1:5"}));
  EXPECT_EQ(*EachServer("unix:/run/x.sock"), (Servers{"unix:/run/x.sock"}));
  // It has an address of each family on many machines.
  EXPECT_EQ(*EachServer("localhost:3"), (Servers{"127.0.0.1:3"}));
  // What is not found may be found later.
  EXPECT_EQ(*EachServer("no-such-host.invalid:4"),
            (Servers{"no-such-host.invalid:4"}));
}

TEST(EachServerTest, RefusesWhatIsNoAddress) {
  for (const char* bad : {"", "a b", "host:0", "1.2.3.4:5,", "http://x"}) {
    const auto each = EachServer(bad);
    ASSERT_FALSE(each.ok()) << bad;
    EXPECT_EQ(ErrorInfoOf(each.status()).reason, kReasonBadAddress) << bad;
  }
}

TEST(ResolveTargetTest, FindsTheAddressesOfAList) {
  EXPECT_EQ(ResolveTarget("127.0.0.1:1,127.0.0.2:1,127.0.0.1:2")->grpc,
            "ipv4:127.0.0.1:1,127.0.0.2:1,127.0.0.1:2");
  EXPECT_EQ(ResolveTarget("127.0.0.1:1,127.0.0.1:1")->grpc, "ipv4:127.0.0.1:1");
  EXPECT_EQ(ResolveTarget("localhost:1")->grpc, "dns:///localhost:1");
}

TEST(ResolveTargetTest, LeavesOutWhatNobodyKnows) {
  EXPECT_EQ(ResolveTarget("no_such_host.invalid:1,127.0.0.1:2")->grpc,
            "ipv4:127.0.0.1:2");
  const absl::Status error =
      ResolveTarget("no_such_host.invalid:1,neither.invalid:2").status();
  EXPECT_TRUE(absl::IsUnavailable(error)) << error;
  EXPECT_EQ(ErrorInfoOf(error).reason, kReasonNoConnection);
}

TEST(TargetOfAddressesTest, WritesIpv4WithinIpv6WhereBothAre) {
  EXPECT_EQ(TargetOfAddresses({{"10.0.0.1", 1}, {"10.0.0.2", 2}}),
            "ipv4:10.0.0.1:1,10.0.0.2:2");
  EXPECT_EQ(TargetOfAddresses({{"::1", 1}}), "ipv6:[::1]:1");
  EXPECT_EQ(TargetOfAddresses({{"10.0.0.1", 1}, {"::1", 2}}),
            "ipv6:[::ffff:10.0.0.1]:1,[::1]:2");
}

TEST(ParseTargetTest, RefusesWhatIsNoAddress) {
  for (const char* wrong : {"",           ":8001",
                            "host:",      "host:0",
                            "host:65536", "host:-1",
                            "host:http",  "::1",
                            "[::1",       "[::1]8001",
                            "[]:1",       "a b:1",
                            "host/path",  "http://host:8001",
                            "host:1:2",   "\x1b[31m:1",
                            "a:1,",       ",a:1",
                            "a:1,,b:1",   "a:1,b:x",
                            "a:1, b:1"}) {
    const absl::Status error = ParseTarget(wrong).status();
    EXPECT_TRUE(absl::IsInvalidArgument(error)) << wrong;
    EXPECT_EQ(ErrorInfoOf(error).reason, kReasonBadAddress) << wrong;
  }
}

}  // namespace
}  // namespace resnetd::client
