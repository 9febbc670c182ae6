#include "server/rpc/peer_identity.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"

namespace resnetd {
namespace {

// An IPv6 address as it is on the wire.
using V6 = std::array<std::uint8_t, 16>;

constexpr V6 kLoopback = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
constexpr std::array<std::uint8_t, 12> kMapped = {0, 0, 0, 0, 0,    0,
                                                  0, 0, 0, 0, 0xFF, 0xFF};
// Of the part that tells networks apart.
constexpr std::ptrdiff_t kNetworkBytes = 8;

bool IsLinkLocal(const V6& address) {
  return address[0] == 0xFE && (address[1] & 0xC0U) == 0x80;
}

absl::string_view WithoutPort(absl::string_view address) {
  return address.substr(0, address.rfind(':'));
}

std::string TextOf(int family, const std::uint8_t* address) {
  std::array<char, INET6_ADDRSTRLEN> text = {};
  inet_ntop(family, address, text.data(), text.size());
  return text.data();
}

std::string OfAddress(absl::string_view text) {
  V6 address = {};
  // What has a zone is none here: that is an address of a link, too.
  if (inet_pton(AF_INET6, std::string(text).c_str(), address.data()) != 1 ||
      IsLinkLocal(address) || address == kLoopback) {
    return absl::StrCat("ipv6:", text);
  }
  if (std::equal(kMapped.begin(), kMapped.end(), address.begin())) {
    return absl::StrCat("ipv4:",
                        TextOf(AF_INET, address.data() + kMapped.size()));
  }
  std::fill(address.begin() + kNetworkBytes, address.end(), 0);
  return absl::StrCat("ipv6:", TextOf(AF_INET6, address.data()), "/64");
}

std::string OfV6(absl::string_view rest) {
  const std::string plain =
      absl::StrReplaceAll(rest, {{"%5B", "["}, {"%5D", "]"}});
  absl::string_view address = plain;
  if (const auto end = address.rfind(']');
      absl::ConsumePrefix(&address, "[") && end != absl::string_view::npos) {
    address = address.substr(0, end - 1);
  }
  return OfAddress(address);
}

}  // namespace

std::string IdentityOfPeer(absl::string_view peer) {
  absl::string_view rest = peer;
  if (absl::ConsumePrefix(&rest, "ipv4:")) {
    return absl::StrCat("ipv4:", WithoutPort(rest));
  }
  if (absl::ConsumePrefix(&rest, "ipv6:")) {
    return OfV6(rest);
  }
  if (absl::StartsWith(peer, "unix")) {
    return "unix";
  }
  return std::string(peer);
}

}  // namespace resnetd
