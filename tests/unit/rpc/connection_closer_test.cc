#include "server/rpc/connection_closer.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "absl/strings/str_cat.h"

namespace resnetd {
namespace {

// Two ends of a connection over a loopback, both in this process, as a client
// and the server of a test are.
class Connected {
 public:
  explicit Connected(int family) : family_(family) {
    listener_ = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_storage address = Loopback();
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    is_open_ =
        bind(listener_, generic, Size()) == 0 && listen(listener_, 1) == 0;
    socklen_t size = Size();
    getsockname(listener_, generic, &size);
    port_ = PortOf(address);
    client_ = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    is_open_ = is_open_ && connect(client_, generic, Size()) == 0;
    size = Size();
    getsockname(client_, generic, &size);
    client_port_ = PortOf(address);
    accepted_ =
        is_open_ ? accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC) : -1;
  }
  ~Connected() {
    for (const int fd : {listener_, client_, accepted_}) {
      if (fd >= 0) {
        close(fd);
      }
    }
  }
  Connected(const Connected&) = delete;
  Connected& operator=(const Connected&) = delete;

  bool is_open() const { return is_open_; }
  int port() const { return port_; }
  std::string peer() const {
    return absl::StrCat(
        family_ == AF_INET ? "ipv4:127.0.0.1:" : "ipv6:%5B::1%5D:",
        client_port_);
  }

  // Both ends see the end at once.
  bool IsClosed() const { return IsAtItsEnd(client_) && IsAtItsEnd(accepted_); }

 private:
  static bool IsAtItsEnd(int fd) {
    char byte = 0;
    return recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
  }
  socklen_t Size() const {
    return family_ == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  }
  sockaddr_storage Loopback() const {
    sockaddr_storage address = {};
    if (family_ == AF_INET) {
      auto* const v4 = reinterpret_cast<sockaddr_in*>(&address);
      v4->sin_family = AF_INET;
      v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    } else {
      auto* const v6 = reinterpret_cast<sockaddr_in6*>(&address);
      v6->sin6_family = AF_INET6;
      v6->sin6_addr = in6addr_loopback;
    }
    return address;
  }
  int PortOf(const sockaddr_storage& address) const {
    return ntohs(
        family_ == AF_INET
            ? reinterpret_cast<const sockaddr_in*>(&address)->sin_port
            : reinterpret_cast<const sockaddr_in6*>(&address)->sin6_port);
  }

  const int family_;
  int listener_ = -1;
  int client_ = -1;
  int accepted_ = -1;
  bool is_open_ = false;
  int port_ = 0;
  int client_port_ = 0;
};

TEST(CloseConnectionOfTest, EndsThatConnectionAndNoOther) {
  const Connected one(AF_INET);
  const Connected other(AF_INET);
  ASSERT_TRUE(one.is_open() && other.is_open());
  EXPECT_TRUE(CloseConnectionOf(one.peer(), one.port()));
  EXPECT_TRUE(one.IsClosed());
  EXPECT_FALSE(other.IsClosed());
}

TEST(CloseConnectionOfTest, KnowsIpv6) {
  const Connected one(AF_INET6);
  if (!one.is_open()) {
    GTEST_SKIP() << "this machine has no ::1";
  }
  EXPECT_TRUE(CloseConnectionOf(one.peer(), one.port()));
  EXPECT_TRUE(one.IsClosed());
}

TEST(CloseConnectionOfTest, LeavesOthersAlone) {
  const Connected one(AF_INET);
  ASSERT_TRUE(one.is_open());
  EXPECT_FALSE(CloseConnectionOf(one.peer(), one.port() + 1));
  EXPECT_FALSE(CloseConnectionOf("ipv4:127.0.0.1:1", one.port()));
  EXPECT_FALSE(CloseConnectionOf("unix:", one.port()));
  EXPECT_FALSE(CloseConnectionOf("", one.port()));
  EXPECT_FALSE(one.IsClosed());
}

}  // namespace
}  // namespace resnetd
