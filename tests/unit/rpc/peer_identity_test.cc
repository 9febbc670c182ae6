#include "server/rpc/peer_identity.h"

#include <gtest/gtest.h>

#include <string>

namespace resnetd {
namespace {

struct PeerCase {
  std::string peer;
  std::string identity;
};

class PeerIdentityTest : public testing::TestWithParam<PeerCase> {};

TEST_P(PeerIdentityTest, IsTheAddressOrItsNetworkWithoutThePort) {
  EXPECT_EQ(IdentityOfPeer(GetParam().peer), GetParam().identity);
}

INSTANTIATE_TEST_SUITE_P(
    Table, PeerIdentityTest,
    testing::Values(
        PeerCase{"ipv4:10.0.0.7:51234", "ipv4:10.0.0.7"},
        PeerCase{"ipv4:127.0.0.1:1", "ipv4:127.0.0.1"},
        PeerCase{"ipv6:[::1]:443", "ipv6:::1"},
        PeerCase{"ipv6:%5B2001:db8::2%5D:443", "ipv6:2001:db8::/64"},
        PeerCase{"ipv6:%5B2001:db8:1:2:3:4:5:6%5D:443",
                 "ipv6:2001:db8:1:2::/64"},
        PeerCase{"ipv6:%5B2001:db8:1:2:ffff:ffff:ffff:ffff%5D:1",
                 "ipv6:2001:db8:1:2::/64"},
        PeerCase{"ipv6:%5B2001:db8:1:3::%5D:1", "ipv6:2001:db8:1:3::/64"},
        PeerCase{"ipv6:%5Bfd00::1%5D:1", "ipv6:fd00::/64"},
        PeerCase{"ipv6:%5B::ffff:10.0.0.7%5D:51234", "ipv4:10.0.0.7"},
        PeerCase{"ipv6:%5B::ffff:a00:7%5D:51234", "ipv4:10.0.0.7"},
        PeerCase{"ipv6:%5Bfe80::1%5D:1", "ipv6:fe80::1"},
        PeerCase{"ipv6:%5Bfe80::1%25eth0%5D:1", "ipv6:fe80::1%25eth0"},
        PeerCase{"unix:/run/resnetd.sock", "unix"}, PeerCase{"unix:", "unix"},
        PeerCase{"unix-abstract:name", "unix"},
        // Nothing that it knows: told apart by the whole of it.
        PeerCase{"ipv6:[::1", "ipv6:::1"}, PeerCase{"ipv4:", "ipv4:"},
        PeerCase{"", ""}, PeerCase{"vsock:3:1", "vsock:3:1"}));

TEST(PeerIdentityTest, ConnectionsOfOneMachineAreOneCaller) {
  EXPECT_EQ(IdentityOfPeer("ipv4:10.0.0.7:1"),
            IdentityOfPeer("ipv4:10.0.0.7:2"));
  EXPECT_NE(IdentityOfPeer("ipv4:10.0.0.7:1"),
            IdentityOfPeer("ipv4:10.0.0.8:1"));
  EXPECT_EQ(IdentityOfPeer("ipv6:%5B2001:db8::1%5D:1"),
            IdentityOfPeer("ipv6:%5B2001:db8::2%5D:1"));
  EXPECT_NE(IdentityOfPeer("ipv6:%5B2001:db8::1%5D:1"),
            IdentityOfPeer("ipv6:%5B2001:db8:0:1::1%5D:1"));
}

}  // namespace
}  // namespace resnetd
