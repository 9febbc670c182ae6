#include "client/target.h"

#include <cstddef>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
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
  const bool ipv6 = absl::StrContains(host, ":");
  Target target;
  target.shown = ipv6 ? absl::StrCat("[", host, "]:", number)
                      : absl::StrCat(host, ":", number);
  target.grpc = absl::StrCat("dns:///", target.shown);
  target.local = IsLocalHost(host);
  return target;
}

}  // namespace resnetd::client
