#include "server/app/endpoint.h"

#include <arpa/inet.h>

#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/quote.h"

namespace resnetd {
namespace {

constexpr int kMaxPort = 65'535;

}  // namespace

absl::StatusOr<Endpoint> ParseEndpoint(const std::string& flag,
                                       const std::string& text) {
  const std::size_t colon = text.rfind(':');
  std::string host = colon == std::string::npos ? "" : text.substr(0, colon);
  const std::string port_text =
      colon == std::string::npos ? text : text.substr(colon + 1);
  const bool bracketed =
      host.size() >= 2 && host.front() == '[' && host.back() == ']';
  int port = -1;
  if (!absl::SimpleAtoi(port_text, &port) || port < 0 || port > kMaxPort ||
      (!bracketed && host.find(':') != std::string::npos)) {
    return Error(absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
                 absl::StrCat(flag, " is ", Quoted(text),
                              ": HOST:PORT, :PORT or [IPV6]:PORT with a ",
                              "port from 0 to ", kMaxPort, " is accepted"));
  }
  if (bracketed) {
    host = host.substr(1, host.size() - 2);
  }
  return Endpoint{.host = std::move(host), .port = port};
}

bool IsLoopback(const Endpoint& endpoint) {
  constexpr std::uint32_t kNet127 = 127;
  in_addr v4{};
  if (inet_pton(AF_INET, endpoint.host.c_str(), &v4) == 1) {
    return (ntohl(v4.s_addr) >> 24U) == kNet127;
  }
  in6_addr v6{};
  if (inet_pton(AF_INET6, endpoint.host.c_str(), &v6) == 1) {
    return IN6_IS_ADDR_LOOPBACK(&v6);
  }
  return endpoint.host == "localhost";
}

}  // namespace resnetd
