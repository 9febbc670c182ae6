#include "server/rpc/connection_closer.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace resnetd {
namespace {

using Side = int (*)(int, sockaddr*, socklen_t*);

// An open file of this process that nobody else can close.
class OwnFile {
 public:
  explicit OwnFile(int original)
      : fd_(fcntl(original, F_DUPFD_CLOEXEC, /*lowest=*/0)) {}
  OwnFile(const OwnFile&) = delete;
  OwnFile& operator=(const OwnFile&) = delete;
  ~OwnFile() {
    if (fd_ >= 0) {
      close(fd_);
    }
  }
  int fd() const { return fd_; }

 private:
  const int fd_;
};

struct Endpoint {
  std::string name;  // as gRPC names a peer, with plain brackets
  int port = 0;      // 0: no TCP
};

// Of one side of a socket: getpeername or getsockname.
Endpoint EndpointOf(int fd, Side side) {
  sockaddr_storage address = {};
  socklen_t size = sizeof(address);
  if (side(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return {};
  }
  std::array<char, INET6_ADDRSTRLEN> text = {};
  if (address.ss_family == AF_INET) {
    sockaddr_in v4 = {};
    std::memcpy(&v4, &address, sizeof(v4));
    inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
    const int port = ntohs(v4.sin_port);
    return {.name = absl::StrCat("ipv4:", text.data(), ":", port),
            .port = port};
  }
  if (address.ss_family != AF_INET6) {
    return {};
  }
  sockaddr_in6 v6 = {};
  std::memcpy(&v6, &address, sizeof(v6));
  const int port = ntohs(v6.sin6_port);
  if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
    constexpr int kPrefixBytes = 12;
    inet_ntop(AF_INET, &v6.sin6_addr.s6_addr[kPrefixBytes], text.data(),
              text.size());
    return {.name = absl::StrCat("ipv4:", text.data(), ":", port),
            .port = port};
  }
  inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
  return {.name = absl::StrCat("ipv6:[", text.data(), "]:", port),
          .port = port};
}

// As EndpointOf() names it: with plain brackets, and without the zone of an
// address of one link ("fe80::1%eth0"), which tells no connections apart.
std::string PlainName(absl::string_view peer) {
  std::string name =
      absl::StrReplaceAll(peer, {{"%5B", "["}, {"%5D", "]"}, {"%25", "%"}});
  const std::size_t zone = name.find('%');
  if (zone != std::string::npos) {
    name.erase(zone, std::min(name.find(']', zone), name.size()) - zone);
  }
  return name;
}

bool IsConnection(int fd, const std::string& peer, int port) {
  return EndpointOf(fd, getpeername).name == peer &&
         EndpointOf(fd, getsockname).port == port;
}

// Ends a connection together with what has come over it and nobody has read: a
// flood of megabytes may wait there, and shutdown() leaves it to be read.
bool Reset(int fd) {
  sockaddr nobody = {};
  nobody.sa_family = AF_UNSPEC;
  return connect(fd, &nobody, sizeof(nobody)) == 0 ||
         shutdown(fd, SHUT_RDWR) == 0;
}

std::vector<int> OpenFiles() {
  std::vector<int> files;
  DIR* const folder = opendir("/proc/self/fd");
  if (folder == nullptr) {
    return files;
  }
  // NOLINTNEXTLINE(concurrency-mt-unsafe): the stream is this function's own
  while (const dirent* const entry = readdir(folder)) {
    int fd = 0;
    if (absl::SimpleAtoi(entry->d_name, &fd) && fd != dirfd(folder)) {
      files.push_back(fd);
    }
  }
  closedir(folder);
  return files;
}

}  // namespace

bool CloseConnectionOf(absl::string_view peer, int port) {
  const std::string wanted = PlainName(peer);
  if (wanted.empty()) {
    return false;  // as files are that are no connections
  }
  for (const int original : OpenFiles()) {
    // The look goes first: to close any descriptor of a file ends all locks
    // that the process has on it (fcntl), and the store's database needs its
    // own.
    if (!IsConnection(original, wanted, port)) {
      continue;
    }
    // Of its own, so that the number cannot come to mean another connection
    // between the second look and the end.
    const OwnFile file(original);
    if (file.fd() >= 0 && IsConnection(file.fd(), wanted, port)) {
      return Reset(file.fd());
    }
  }
  return false;
}

}  // namespace resnetd
