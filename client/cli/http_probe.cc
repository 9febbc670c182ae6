#include "client/cli/http_probe.h"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/error_info.h"
#include "server/base/quote.h"
#include "server/base/status_macros.h"

namespace resnetd::cli {
namespace {

using std::chrono::steady_clock;

constexpr std::size_t kMaxAnswerBytes = std::size_t{8} << 20U;

// A descriptor that is closed at the end of its life.
class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {}
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Socket& operator=(Socket&&) = delete;
  ~Socket() {
    if (fd_ >= 0) {
      close(fd_);
    }
  }
  int fd() const { return fd_; }

 private:
  int fd_;
};

absl::Status NoAnswer(absl::string_view host_port) {
  return client::ClientError(absl::StatusCode::kUnavailable,
                             client::kReasonNoConnection,
                             absl::StrCat("no HTTP server at ", host_port));
}

// Waits until the socket can be read or written.
absl::Status Await(int fd, short events, steady_clock::time_point deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(
      deadline - steady_clock::now());
  pollfd waited = {.fd = fd, .events = events, .revents = 0};
  const int ready =
      poll(&waited, 1, static_cast<int>(std::max<long>(left.count(), 0)));
  if (ready > 0 || (ready < 0 && errno == EINTR)) {
    return absl::OkStatus();
  }
  return absl::DeadlineExceededError("the HTTP server did not answer in time");
}

// Connects to one of the addresses of a name.
absl::StatusOr<Socket> ConnectTo(const addrinfo& address,
                                 absl::string_view host_port,
                                 steady_clock::time_point deadline) {
  Socket socket(::socket(address.ai_family,
                         address.ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC,
                         address.ai_protocol));
  if (socket.fd() < 0) {
    return NoAnswer(host_port);
  }
  if (connect(socket.fd(), address.ai_addr, address.ai_addrlen) == 0) {
    return socket;
  }
  if (errno != EINPROGRESS) {
    return NoAnswer(host_port);
  }
  RETURN_IF_ERROR(Await(socket.fd(), POLLOUT, deadline));
  int error = 0;
  socklen_t size = sizeof(error);
  if (getsockopt(socket.fd(), SOL_SOCKET, SO_ERROR, &error, &size) != 0 ||
      error != 0) {
    return NoAnswer(host_port);
  }
  return socket;
}

absl::StatusOr<Socket> Connect(absl::string_view host_port,
                               steady_clock::time_point deadline) {
  const std::size_t colon = host_port.rfind(':');
  int port = 0;
  if (colon == absl::string_view::npos || colon == 0 ||
      !absl::SimpleAtoi(host_port.substr(colon + 1), &port) || port < 1 ||
      port > 65'535) {
    return absl::InvalidArgumentError(
        absl::StrCat(Quoted(host_port), " is not HOST:PORT"));
  }
  std::string host(host_port.substr(0, colon));
  if (host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), absl::StrCat(port).c_str(), &hints, &found) !=
      0) {
    return NoAnswer(host_port);
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> addresses(
      found, &freeaddrinfo);
  absl::Status error = NoAnswer(host_port);
  for (const addrinfo* address = found; address != nullptr;
       address = address->ai_next) {
    absl::StatusOr<Socket> socket = ConnectTo(*address, host_port, deadline);
    if (socket.ok()) {
      return socket;
    }
    error = socket.status();
  }
  return error;
}

absl::Status SendAll(const Socket& socket, absl::string_view text,
                     steady_clock::time_point deadline) {
  while (!text.empty()) {
    RETURN_IF_ERROR(Await(socket.fd(), POLLOUT, deadline));
    const ssize_t sent =
        send(socket.fd(), text.data(), text.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
      return absl::UnavailableError("the HTTP server hung up");
    }
    text.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(sent, 0)));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReceiveAll(const Socket& socket,
                                       steady_clock::time_point deadline) {
  std::string answer;
  std::array<char, 16'384> buffer = {};
  while (answer.size() < kMaxAnswerBytes) {
    RETURN_IF_ERROR(Await(socket.fd(), POLLIN, deadline));
    const ssize_t got = recv(socket.fd(), buffer.data(), buffer.size(), 0);
    if (got == 0) {
      break;
    }
    if (got > 0) {
      answer.append(buffer.data(), static_cast<std::size_t>(got));
    } else if (errno != EAGAIN && errno != EINTR) {
      return absl::UnavailableError("the HTTP server hung up");
    }
  }
  return answer;
}

}  // namespace

absl::StatusOr<HttpAnswer> HttpGet(absl::string_view host_port,
                                   absl::string_view path,
                                   std::chrono::milliseconds timeout) {
  const steady_clock::time_point deadline = steady_clock::now() + timeout;
  ASSIGN_OR_RETURN(const Socket socket, Connect(host_port, deadline));
  RETURN_IF_ERROR(
      SendAll(socket,
              absl::StrCat("GET ", path, " HTTP/1.1\r\nHost: ", host_port,
                           "\r\nConnection: close\r\n\r\n"),
              deadline));
  ASSIGN_OR_RETURN(const std::string text, ReceiveAll(socket, deadline));
  HttpAnswer answer;
  // "HTTP/1.1 200 OK", headers, an empty line, the body.
  if (!absl::StartsWith(text, "HTTP/1.") || text.size() < 12 ||
      !absl::SimpleAtoi(text.substr(9, 3), &answer.status)) {
    return absl::UnavailableError(
        absl::StrCat("what answers at ", host_port, " does not speak HTTP"));
  }
  const std::size_t body = text.find("\r\n\r\n");
  answer.body = body == std::string::npos ? "" : text.substr(body + 4);
  return answer;
}

}  // namespace resnetd::cli
