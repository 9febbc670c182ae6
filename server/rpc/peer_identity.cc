#include "server/rpc/peer_identity.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"

namespace resnetd {
namespace {

constexpr absl::string_view kMapped = "::ffff:";

absl::string_view WithoutPort(absl::string_view address) {
  return address.substr(0, address.rfind(':'));
}

std::string OfV6(absl::string_view rest) {
  const std::string plain =
      absl::StrReplaceAll(rest, {{"%5B", "["}, {"%5D", "]"}});
  absl::string_view address = plain;
  if (const auto end = address.rfind(']');
      absl::ConsumePrefix(&address, "[") && end != absl::string_view::npos) {
    address = address.substr(0, end - 1);
  }
  if (absl::StartsWith(address, kMapped) && absl::StrContains(address, '.')) {
    return absl::StrCat("ipv4:", address.substr(kMapped.size()));
  }
  return absl::StrCat("ipv6:", address);
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
