#include "tests/support/fake_name_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace resnetd {
namespace {

// RFC 1035, section 4: a message is a header, questions, answers.
constexpr std::size_t kHeaderBytes = 12;
constexpr std::size_t kMaxDatagramBytes = 512;
constexpr std::uint16_t kTypeA = 1;
constexpr std::uint16_t kClassInternet = 1;
constexpr std::uint16_t kAnswer = 0x8400;  // and the server has authority
constexpr std::uint16_t kNoSuchName = 3;
// The name of the question, by its place in the message.
constexpr std::uint16_t kSameName = 0xC000 | kHeaderBytes;

std::string TwoBytes(std::size_t value) {
  return {static_cast<char>(value >> 8U & 0xFFU),
          static_cast<char>(value & 0xFFU)};
}

// The name from `at` on with dots between its labels; moves `at` behind it.
std::string NameIn(absl::string_view message, std::size_t& at) {
  std::string name;
  while (at < message.size() && message[at] != 0) {
    const std::size_t bytes = static_cast<unsigned char>(message[at]);
    if (at + 1 + bytes > message.size()) {
      break;
    }
    absl::StrAppend(&name, name.empty() ? "" : ".",
                    message.substr(at + 1, bytes));
    at += 1 + bytes;
  }
  ++at;
  return absl::AsciiStrToLower(name);
}

int OpenSocket(int& port) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  if (fd >= 0 && bind(fd, generic, size) == 0 &&
      getsockname(fd, generic, &size) == 0) {
    port = ntohs(address.sin_port);
  }
  return fd;
}

}  // namespace

FakeNameServer::FakeNameServer(std::string name)
    : name_(std::move(name)),
      socket_(OpenSocket(port_)),
      thread_("name-server", [this] { Serve(); }) {}

FakeNameServer::~FakeNameServer() {
  // Wakes who waits for a datagram; the thread ends before the socket is given
  // back.
  shutdown(socket_, SHUT_RDWR);
  thread_.Join();
  close(socket_);
}

void FakeNameServer::SetAddresses(std::vector<std::string> addresses) {
  const MutexLock lock(mutex_);
  addresses_ = std::move(addresses);
}

int FakeNameServer::lookups() const {
  const MutexLock lock(mutex_);
  return lookups_;
}

void FakeNameServer::Serve() {
  while (true) {
    std::array<char, kMaxDatagramBytes> bytes = {};
    sockaddr_in from = {};
    socklen_t size = sizeof(from);
    auto* const generic = reinterpret_cast<sockaddr*>(&from);
    const ssize_t received =
        recvfrom(socket_, bytes.data(), bytes.size(), 0, generic, &size);
    if (received <= 0) {
      return;
    }
    const std::string answer =
        AnswerTo(std::string(bytes.data(), static_cast<std::size_t>(received)));
    if (!answer.empty()) {
      sendto(socket_, answer.data(), answer.size(), 0, generic, size);
    }
  }
}

std::string FakeNameServer::AnswerTo(const std::string& question) {
  std::size_t end = kHeaderBytes;
  const std::string name = NameIn(question, end);
  if (end + 4 > question.size()) {
    return "";
  }
  const bool is_ours = name == name_;
  const bool wants_ipv4 = question.substr(end, 2) == TwoBytes(kTypeA);
  std::vector<std::string> addresses;
  if (is_ours && wants_ipv4) {
    const MutexLock lock(mutex_);
    ++lookups_;
    addresses = addresses_;
  }
  std::string answer = absl::StrCat(
      question.substr(0, 2), TwoBytes(kAnswer | (is_ours ? 0U : kNoSuchName)),
      TwoBytes(1), TwoBytes(addresses.size()), TwoBytes(0), TwoBytes(0),
      question.substr(kHeaderBytes, end + 4 - kHeaderBytes));
  for (const std::string& address : addresses) {
    in_addr parsed = {};
    inet_pton(AF_INET, address.c_str(), &parsed);
    // Lives for no time: is asked for anew each time.
    absl::StrAppend(&answer, TwoBytes(kSameName), TwoBytes(kTypeA),
                    TwoBytes(kClassInternet), TwoBytes(0), TwoBytes(0),
                    TwoBytes(sizeof(parsed)),
                    absl::string_view(reinterpret_cast<const char*>(&parsed),
                                      sizeof(parsed)));
  }
  return answer;
}

}  // namespace resnetd
