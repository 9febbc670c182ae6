#include "server/rpc/bind_check.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace resnetd {
namespace {

using Addresses = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

absl::Status CannotListen(const std::string& host, int port, int error) {
  const std::string what =
      absl::StrCat("cannot listen on ", FormatAddress(host, port), ": ");
  switch (error) {
    case EADDRINUSE:
      return absl::UnavailableError(
          absl::StrCat(what, "port ", port,
                       " is in use; stop what uses it or choose another port "
                       "with --listen"));
    case EACCES:
    case EPERM:
      return absl::PermissionDeniedError(absl::StrCat(
          what, "port ", port,
          " is not allowed for this user; choose one over 1023 with --listen"));
    default:
      return absl::InvalidArgumentError(
          absl::StrCat(what, "not an address of this machine; see --listen"));
  }
}

// 0, or the errno of the attempt.
int TryBind(const addrinfo& address) {
  const int fd = socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    return errno;
  }
  // As gRPC does: connections that are still closing do not count, and [::]
  // means IPv4 too.
  const int on = 1;
  const int off = 0;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (address.ai_family == AF_INET6) {
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
  }
  const int error =
      bind(fd, address.ai_addr, address.ai_addrlen) == 0 ? 0 : errno;
  close(fd);
  return error;
}

}  // namespace

std::string FormatAddress(const std::string& host, int port) {
  if (host.empty()) {
    return absl::StrCat("[::]:", port);
  }
  if (absl::StrContains(host, ':') && !absl::StartsWith(host, "[")) {
    return absl::StrCat("[", host, "]:", port);
  }
  return absl::StrCat(host, ":", port);
}

absl::Status CheckCanBind(const std::string& host, int port) {
  std::string node = host;
  if (absl::StartsWith(node, "[") && absl::EndsWith(node, "]")) {
    node = node.substr(1, node.size() - 2);
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (getaddrinfo(node.empty() ? nullptr : node.c_str(),
                  absl::StrCat(port).c_str(), &hints, &found) != 0) {
    return CannotListen(host, port, EADDRNOTAVAIL);
  }
  const Addresses addresses(found, &freeaddrinfo);
  int error = 0;
  for (const addrinfo* at = addresses.get(); at != nullptr; at = at->ai_next) {
    error = TryBind(*at);
    // A name may stand for addresses of a family that this machine lacks.
    if (error == 0 || error == EADDRINUSE || error == EACCES) {
      break;
    }
  }
  return error == 0 ? absl::OkStatus() : CannotListen(host, port, error);
}

}  // namespace resnetd
