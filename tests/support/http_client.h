#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace resnetd {

// An answer as it came: status line, headers, body. status is 0 when there was
// none.
struct HttpAnswer {
  int status = 0;
  std::string headers;
  std::string body;
};

// A TCP connection to 127.0.0.1 that is closed at the end of the scope.
class LoopbackSocket {
 public:
  explicit LoopbackSocket(int port)
      : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    // No test waits for ever for an answer that does not come.
    const timeval limit = {.tv_sec = 20, .tv_usec = 0};
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    connected_ = connect(socket_, reinterpret_cast<const sockaddr*>(&address),
                         sizeof(address)) == 0;
  }
  ~LoopbackSocket() { close(socket_); }
  LoopbackSocket(const LoopbackSocket&) = delete;
  LoopbackSocket& operator=(const LoopbackSocket&) = delete;

  bool connected() const { return connected_; }

  void Send(absl::string_view text) const {
    while (!text.empty()) {
      const ssize_t sent =
          send(socket_, text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) {
        return;  // The other side has closed; what it said can be read.
      }
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
  }

  // All that comes until the other side closes.
  std::string ReceiveAll() const {
    std::string text;
    std::array<char, 4096> buffer{};
    ssize_t count = 0;
    while ((count = recv(socket_, buffer.data(), buffer.size(), 0)) > 0) {
      text.append(buffer.data(), static_cast<std::size_t>(count));
    }
    return text;
  }

 private:
  int socket_;
  bool connected_ = false;
};

// Sends `request` as it is and reads the answer to its end.
inline HttpAnswer ExchangeHttp(int port, absl::string_view request) {
  const LoopbackSocket socket(port);
  if (!socket.connected()) {
    return {};
  }
  socket.Send(request);
  const std::string text = socket.ReceiveAll();
  HttpAnswer answer;
  const std::size_t end = text.find("\r\n\r\n");
  if (text.rfind("HTTP/1.1 ", 0) != 0 || end == std::string::npos ||
      !absl::SimpleAtoi(text.substr(9, 3), &answer.status)) {
    return {};
  }
  answer.headers = text.substr(0, end + 2);
  answer.body = text.substr(end + 4);
  return answer;
}

inline HttpAnswer HttpRequest(int port, absl::string_view method,
                              absl::string_view path) {
  return ExchangeHttp(
      port, absl::StrCat(method, " ", path, " HTTP/1.1\r\nHost: test\r\n\r\n"));
}

inline HttpAnswer HttpGet(int port, absl::string_view path) {
  return HttpRequest(port, "GET", path);
}

}  // namespace resnetd
