#include "client/cli/http_probe.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/base/thread.h"

namespace resnetd::cli {
namespace {

using ::testing::HasSubstr;

// Listens on a free port of this machine and gives the first caller a fixed
// answer; an empty one: never answers.
class OneAnswerServer {
 public:
  explicit OneAnswerServer(std::string answer) : answer_(std::move(answer)) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    if (bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        listen(listener_, 1) != 0 ||
        getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) !=
            0) {
      std::abort();
    }
    name_ = absl::StrCat("127.0.0.1:", ntohs(address.sin_port));
    if (!answer_.empty()) {
      thread_ = std::make_unique<Thread>("answer", [this] { Answer(); });
    }
  }
  ~OneAnswerServer() {
    thread_.reset();
    close(listener_);
  }

  const std::string& name() const { return name_; }
  // What the caller sent. After the answer has been read.
  const std::string& request() {
    thread_.reset();
    return request_;
  }

 private:
  void Answer() {
    const int caller = accept(listener_, nullptr, nullptr);
    std::array<char, 1024> buffer = {};
    const ssize_t got = recv(caller, buffer.data(), buffer.size(), 0);
    request_.assign(buffer.data(), static_cast<std::size_t>(got));
    send(caller, answer_.data(), answer_.size(), MSG_NOSIGNAL);
    close(caller);
  }

  std::string answer_;
  std::string name_;
  std::string request_;
  int listener_ = -1;
  std::unique_ptr<Thread> thread_;
};

constexpr std::chrono::seconds kLong(30);

TEST(HttpGetTest, ReadsStatusAndBody) {
  OneAnswerServer server("HTTP/1.1 404 Not Found\r\nA: b\r\n\r\nnothing\n");
  const auto answer = HttpGet(server.name(), "/metrics", kLong);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->status, 404);
  EXPECT_EQ(answer->body, "nothing\n");
  EXPECT_THAT(server.request(), HasSubstr("GET /metrics HTTP/1.1\r\nHost: "));
}

TEST(HttpGetTest, RefusesWhatDoesNotSpeakHttp) {
  for (const char* answer :
       {"SSH-2.0-OpenSSH\r\n", "HTTP/1.1", "HTTP/1.1 abc"}) {
    OneAnswerServer server(answer);
    EXPECT_TRUE(
        absl::IsUnavailable(HttpGet(server.name(), "/", kLong).status()))
        << answer;
  }
}

TEST(HttpGetTest, GivesUpWhenTheTimeIsUp) {
  OneAnswerServer silent("");
  EXPECT_TRUE(absl::IsDeadlineExceeded(
      HttpGet(silent.name(), "/", std::chrono::milliseconds(50)).status()));
}

TEST(HttpGetTest, SaysThatNobodyListens) {
  std::string name;
  {
    OneAnswerServer gone("");
    name = gone.name();
  }
  EXPECT_TRUE(absl::IsUnavailable(HttpGet(name, "/", kLong).status()));
}

TEST(HttpGetTest, RefusesWhatIsNoAddress) {
  for (const char* wrong :
       {"", "host", ":80", "host:", "host:0", "host:70000", "host:http"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(HttpGet(wrong, "/", kLong).status()))
        << wrong;
  }
}

}  // namespace
}  // namespace resnetd::cli
