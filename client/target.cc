#include "client/target.h"

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "client/error_info.h"
#include "server/base/quote.h"
#include "server/base/status_macros.h"

namespace resnetd::client {
namespace {

constexpr int kDefaultPort = 8001;

absl::Status BadAddress(absl::string_view server, absl::string_view why) {
  return ClientError(
      absl::StatusCode::kInvalidArgument, kReasonBadAddress,
      absl::StrCat("server address ", Quoted(server), " ", why,
                   ": write HOST:PORT, for example localhost:8001"));
}

bool IsLocalHost(absl::string_view host) {
  return host == "localhost" || host == "::1" || absl::StartsWith(host, "127.");
}

// "HOST:PORT", "HOST", "[IPV6]", "[IPV6]:PORT", as two parts.
absl::Status SplitHostPort(absl::string_view server, absl::string_view& host,
                           absl::string_view& port) {
  host = server;
  port = "";
  if (absl::ConsumePrefix(&host, "[")) {
    const std::size_t end = host.find(']');
    if (end == absl::string_view::npos) {
      return BadAddress(server, "lacks the ] of an IPv6 address");
    }
    port = host.substr(end + 1);
    host = host.substr(0, end);
    if (!port.empty() && !absl::ConsumePrefix(&port, ":")) {
      return BadAddress(server, "has something between ] and :");
    }
    return absl::OkStatus();
  }
  const std::size_t colon = host.rfind(':');
  if (colon != absl::string_view::npos) {
    if (host.find(':') != colon) {
      return BadAddress(server, "is an IPv6 address without [ ]");
    }
    port = host.substr(colon + 1);
    host = host.substr(0, colon);
    if (port.empty()) {
      return BadAddress(server, "has no port after the colon");
    }
  }
  return absl::OkStatus();
}

bool IsHostName(absl::string_view host) {
  for (const char c : host) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '.' &&
        c != '-' && c != '_' && c != ':' && c != '%') {
      return false;
    }
  }
  return !host.empty();
}

std::string Shown(absl::string_view host, int port) {
  return absl::StrContains(host, ":") ? absl::StrCat("[", host, "]:", port)
                                      : absl::StrCat(host, ":", port);
}

absl::StatusOr<Target> ParseOne(absl::string_view server) {
  absl::string_view host;
  absl::string_view port;
  RETURN_IF_ERROR(SplitHostPort(server, host, port));
  if (!IsHostName(host)) {
    return BadAddress(server,
                      host.empty() ? "has no host" : "is not a host name");
  }
  int number = kDefaultPort;
  if (!port.empty() &&
      (!absl::SimpleAtoi(port, &number) || number < 1 || number > 65'535)) {
    return BadAddress(server, "has a port that is not 1 to 65535");
  }
  Target target;
  target.shown = Shown(host, number);
  target.grpc = absl::StrCat("dns:///", target.shown);
  target.local = IsLocalHost(host);
  target.list = {{std::string(host), number}};
  return target;
}

// The numeric addresses of a host; none: it is not known.
std::vector<std::string> LookUp(const std::string& host) {
  addrinfo hints = {};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0) {
    return {};
  }
  std::vector<std::string> addresses;
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    std::array<char, NI_MAXHOST> text = {};
    if (getnameinfo(one->ai_addr, one->ai_addrlen, text.data(), text.size(),
                    nullptr, 0, NI_NUMERICHOST) == 0) {
      addresses.emplace_back(text.data());
    }
  }
  freeaddrinfo(found);
  return addresses;
}

}  // namespace

absl::StatusOr<Target> ParseTarget(absl::string_view server) {
  for (const absl::string_view scheme :
       {"dns:", "ipv4:", "ipv6:", "unix:", "unix-abstract:", "xds:"}) {
    if (absl::StartsWith(server, scheme)) {
      return Target{.grpc = std::string(server),
                    .shown = std::string(server),
                    .local = absl::StartsWith(scheme, "unix")};
    }
  }
  if (absl::StrContains(server, "://")) {
    return BadAddress(server, "has a scheme that gRPC does not know");
  }
  Target all;
  all.local = true;
  for (const absl::string_view part : absl::StrSplit(server, ',')) {
    ASSIGN_OR_RETURN(Target one, ParseOne(part));
    absl::StrAppend(&all.shown, all.shown.empty() ? "" : ",", one.shown);
    all.local = all.local && one.local;
    all.grpc = all.list.empty() ? one.grpc : "";
    all.list.push_back(std::move(one.list.front()));
  }
  return all;
}

absl::StatusOr<Target> ResolveTarget(absl::string_view server) {
  ASSIGN_OR_RETURN(Target target, ParseTarget(server));
  if (!target.grpc.empty()) {
    return target;
  }
  std::vector<std::pair<std::string, int>> addresses;
  for (const auto& [host, port] : target.list) {
    for (std::string& address : LookUp(host)) {
      std::pair<std::string, int> found(std::move(address), port);
      if (std::find(addresses.begin(), addresses.end(), found) ==
          addresses.end()) {
        addresses.push_back(std::move(found));
      }
    }
  }
  if (addresses.empty()) {
    return ClientError(
        absl::StatusCode::kUnavailable, kReasonNoConnection,
        absl::StrCat("no address of ", target.shown, " is known"));
  }
  target.grpc = TargetOfAddresses(addresses);
  return target;
}

absl::StatusOr<std::vector<std::string>> EachServer(absl::string_view servers) {
  absl::ConsumePrefix(&servers, "dns:///");
  ASSIGN_OR_RETURN(const Target target, ParseTarget(servers));
  if (target.list.empty()) {
    return std::vector<std::string>{target.shown};
  }
  std::vector<std::string> each;
  for (const auto& [host, port] : target.list) {
    std::vector<std::string> addresses = LookUp(host);
    const auto is_ipv6 = [](const std::string& address) {
      return absl::StrContains(address, ":");
    };
    if (!std::all_of(addresses.begin(), addresses.end(), is_ipv6)) {
      addresses.erase(
          std::remove_if(addresses.begin(), addresses.end(), is_ipv6),
          addresses.end());
    }
    if (addresses.empty()) {
      addresses.push_back(host);
    }
    for (const std::string& address : addresses) {
      std::string shown = Shown(address, port);
      if (std::find(each.begin(), each.end(), shown) == each.end()) {
        each.push_back(std::move(shown));
      }
    }
  }
  return each;
}

std::string TargetOfAddresses(
    const std::vector<std::pair<std::string, int>>& addresses) {
  const auto is_ipv6 = [](const auto& one) {
    return absl::StrContains(one.first, ":");
  };
  // One target has one family: IPv4 has a form within IPv6.
  const bool ipv6 = std::any_of(addresses.begin(), addresses.end(), is_ipv6);
  return absl::StrCat(
      ipv6 ? "ipv6:" : "ipv4:",
      absl::StrJoin(addresses, ",", [&](std::string* out, const auto& one) {
        absl::StrAppend(out, ipv6 ? "[" : "",
                        ipv6 && !is_ipv6(one) ? "::ffff:" : "", one.first,
                        ipv6 ? "]" : "", ":", one.second);
      }));
}

}  // namespace resnetd::client
