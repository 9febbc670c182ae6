#include "server/rpc/connection_closer.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "tests/support/temp_dir.h"

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

  // Whether either end has seen the end of it.
  bool IsClosed() const { return IsAtItsEnd(client_) || IsAtItsEnd(accepted_); }
  // Whether both ends see it, at once or a moment later.
  bool Ends() const {
    return IsReadable(client_) && IsReadable(accepted_) &&
           IsAtItsEnd(client_) && IsAtItsEnd(accepted_);
  }

  // What the client says stays unread.
  void Say(std::size_t bytes) const {
    const std::string text(bytes, 'x');
    EXPECT_EQ(send(client_, text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes));
    EXPECT_TRUE(IsReadable(accepted_));
  }
  // Whether a byte gets through each way.
  bool Works() const {
    return Passes(client_, accepted_) && Passes(accepted_, client_);
  }

 private:
  static bool Passes(int from, int to) {
    char byte = 'x';
    return send(from, &byte, 1, MSG_NOSIGNAL) == 1 && IsReadable(to) &&
           recv(to, &byte, 1, MSG_DONTWAIT) == 1;
  }
  static bool IsReadable(int fd) {
    constexpr int kPatienceMs = 20'000;
    pollfd wanted = {.fd = fd, .events = POLLIN, .revents = 0};
    return poll(&wanted, 1, kPatienceMs) == 1;
  }
  static bool IsAtItsEnd(int fd) {
    char byte = 0;
    const ssize_t received = recv(fd, &byte, 1, MSG_DONTWAIT);
    return received == 0 ||
           (received < 0 && (errno == ECONNRESET || errno == ENOTCONN));
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
  EXPECT_TRUE(one.Ends());
  EXPECT_TRUE(other.Works());
  // There is none any more.
  EXPECT_FALSE(CloseConnectionOf(one.peer(), one.port()));
}

TEST(CloseConnectionOfTest, WhatHadComeAndWasNotReadIsGone) {
  const Connected one(AF_INET);
  ASSERT_TRUE(one.is_open());
  one.Say(10'000);
  EXPECT_TRUE(CloseConnectionOf(one.peer(), one.port()));
  EXPECT_TRUE(one.Ends());
}

TEST(CloseConnectionOfTest, KnowsIpv6) {
  const Connected one(AF_INET6);
  if (!one.is_open()) {
    GTEST_SKIP() << "this machine has no ::1";
  }
  EXPECT_TRUE(CloseConnectionOf(one.peer(), one.port()));
  EXPECT_TRUE(one.Ends());
  // As gRPC names an address of one link.
  const Connected two(AF_INET6);
  ASSERT_TRUE(two.is_open());
  const std::string in_zone =
      absl::StrReplaceAll(two.peer(), {{"%5D", "%25eth0%5D"}});
  EXPECT_TRUE(CloseConnectionOf(in_zone, two.port()));
  EXPECT_TRUE(two.Ends());
}

TEST(CloseConnectionOfTest, LeavesOthersAlone) {
  const Connected one(AF_INET);
  ASSERT_TRUE(one.is_open());
  EXPECT_FALSE(CloseConnectionOf(one.peer(), one.port() + 1));
  EXPECT_FALSE(CloseConnectionOf("ipv4:127.0.0.1:1", one.port()));
  EXPECT_FALSE(CloseConnectionOf("unix:", one.port()));
  EXPECT_FALSE(CloseConnectionOf("", one.port()));
  EXPECT_FALSE(one.IsClosed());
  EXPECT_TRUE(one.Works());
}

std::size_t OpenFileCount() {
  const std::filesystem::directory_iterator files("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(files), end(files)));
}

TEST(CloseConnectionOfTest, OfManyItEndsTheOneWhileOthersComeAndGo) {
  const std::size_t files_before = OpenFileCount();
  {
    std::vector<std::unique_ptr<const Connected>> stay;
    for (int i = 0; i < 100; ++i) {
      stay.push_back(std::make_unique<const Connected>(AF_INET));
      ASSERT_TRUE(stay.back()->is_open());
    }
    std::atomic<bool> is_over = false;
    std::atomic<int> broken = 0;
    std::vector<std::thread> others;
    for (int i = 0; i < 2; ++i) {
      others.emplace_back([&is_over, &broken] {
        // Each time with the numbers that files had which were just closed.
        do {
          const Connected one(AF_INET);
          broken += one.is_open() && one.Works() ? 0 : 1;
        } while (!is_over);
      });
    }
    for (std::size_t i = 0; i < stay.size(); i += 2) {
      EXPECT_TRUE(CloseConnectionOf(stay[i]->peer(), stay[i]->port())) << i;
    }
    is_over = true;
    for (std::thread& other : others) {
      other.join();
    }
    EXPECT_EQ(broken, 0);
    for (std::size_t i = 0; i < stay.size(); ++i) {
      EXPECT_TRUE(i % 2 == 0 ? stay[i]->Ends() : stay[i]->Works()) << i;
    }
  }
  EXPECT_EQ(OpenFileCount(), files_before);
}

// Whether another process would find the file locked.
bool IsLocked(const std::string& path) {
  const pid_t child = fork();
  if (child == 0) {
    struct flock lock = {};
    lock.l_type = F_WRLCK;
    const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
    const bool asked = fd >= 0 && fcntl(fd, F_GETLK, &lock) == 0;
    _exit(asked && lock.l_type != F_UNLCK ? 0 : 1);
  }
  int status = -1;
  return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

// The locks of a database's file are of the process, and end when it closes any
// descriptor of that file.
TEST(CloseConnectionOfTest, LeavesTheLocksOfFiles) {
  const TempDir folder;
  const std::string path = absl::StrCat(folder.path(), "/database");
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  ASSERT_GE(fd, 0);
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  ASSERT_EQ(fcntl(fd, F_SETLK, &lock), 0);
  ASSERT_TRUE(IsLocked(path));
  const Connected one(AF_INET);
  EXPECT_FALSE(CloseConnectionOf("ipv4:127.0.0.1:1", one.port()));
  EXPECT_TRUE(CloseConnectionOf(one.peer(), one.port()));
  EXPECT_TRUE(IsLocked(path));
  close(fd);
  EXPECT_FALSE(IsLocked(path));
}

}  // namespace
}  // namespace resnetd
