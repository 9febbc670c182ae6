#include "server/rpc/bind_check.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace resnetd {
namespace {

using testing::HasSubstr;

// A socket that listens on a free port of 127.0.0.1.
class Listener {
 public:
  Listener() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)),
              0);
    EXPECT_EQ(listen(fd_, 1), 0);
    socklen_t length = sizeof(address);
    getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
  }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  ~Listener() { close(fd_); }

  int port() const { return port_; }

 private:
  const int fd_;
  int port_ = 0;
};

TEST(BindCheckTest, WritesAddressesAsPeopleDo) {
  EXPECT_EQ(FormatAddress("", 8001), "[::]:8001");
  EXPECT_EQ(FormatAddress("127.0.0.1", 8001), "127.0.0.1:8001");
  EXPECT_EQ(FormatAddress("::1", 8001), "[::1]:8001");
  EXPECT_EQ(FormatAddress("[::1]", 8001), "[::1]:8001");
  EXPECT_EQ(FormatAddress("localhost", 0), "localhost:0");
}

TEST(BindCheckTest, AFreePortIsFree) {
  EXPECT_TRUE(CheckCanBind("127.0.0.1", 0).ok());
  EXPECT_TRUE(CheckCanBind("localhost", 0).ok());
  EXPECT_TRUE(CheckCanBind("", 0).ok());
}

TEST(BindCheckTest, APortThatIsTakenIsNamedWithTheFlag) {
  const Listener listener;
  for (const char* host : {"127.0.0.1", ""}) {
    const absl::Status status = CheckCanBind(host, listener.port());
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ(
        status.message(),
        absl::StrCat("cannot listen on ", FormatAddress(host, listener.port()),
                     ": port ", listener.port(),
                     " is in use; stop what uses it or choose another port "
                     "with --listen"));
  }
}

TEST(BindCheckTest, AForeignAddressOrNoAddressAtAllIsAnError) {
  // 192.0.2.0/24 is set aside for documentation.
  for (const char* host : {"192.0.2.1", "not an address", "256.0.0.1"}) {
    const absl::Status status = CheckCanBind(host, 8001);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << host;
    EXPECT_THAT(std::string(status.message()), HasSubstr("--listen"));
  }
}

}  // namespace
}  // namespace resnetd
