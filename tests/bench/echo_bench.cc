// The floor of what a refusal costs its caller on a machine, without gRPC:
// ./dev bench echo [SECONDS].
//
// A thread on one core answers over loopback TCP; its caller, on another core,
// asks 85 times a second at random times (a ResNet-50 at 10 times what a core
// does). Beside it, on its core, nothing or a thread that computes. Prints how
// long answers took, in milliseconds.

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "server/base/thread_affinity.h"

namespace resnetd {
namespace {

constexpr double kCallsPerSecond = 85;
constexpr std::size_t kAnswerBytes = 1000;

using Milliseconds = std::chrono::duration<double, std::milli>;

[[noreturn]] void Fail(const char* what) {
  std::perror(what);
  std::exit(EXIT_FAILURE);
}

// Two ends of a connection over loopback.
struct Connection {
  int caller = -1;
  int answerer = -1;
};

Connection Connect() {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  if (bind(listener, generic, size) != 0 || listen(listener, 1) != 0 ||
      getsockname(listener, generic, &size) != 0) {
    Fail("listen");
  }
  Connection made;
  made.caller = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(made.caller, generic, size) != 0) {
    Fail("connect");
  }
  made.answerer = accept(listener, nullptr, nullptr);
  close(listener);
  const int on = 1;
  for (const int end : {made.caller, made.answerer}) {
    setsockopt(end, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  }
  return made;
}

// Whole messages. False: the other end is closed.
bool Receive(int end, std::size_t bytes) {
  std::vector<char> message(bytes);
  for (std::size_t at = 0; at < bytes;) {
    const ssize_t got = recv(end, message.data() + at, bytes - at, 0);
    if (got <= 0) {
      return false;
    }
    at += static_cast<std::size_t>(got);
  }
  return true;
}

void Send(int end, std::size_t bytes) {
  const std::vector<char> message(bytes, 'x');
  for (std::size_t at = 0; at < bytes;) {
    const ssize_t sent =
        send(end, message.data() + at, bytes - at, MSG_NOSIGNAL);
    if (sent <= 0) {
      Fail("send");
    }
    at += static_cast<std::size_t>(sent);
  }
}

void Pause(double seconds) {
  const timespec time = {
      .tv_sec = 0, .tv_nsec = static_cast<long>(1e9 * std::min(seconds, 0.9))};
  ppoll(nullptr, 0, &time, nullptr);
}

std::vector<double> TimesOfCalls(int end, std::size_t bytes, double seconds) {
  std::mt19937_64 random(1);
  std::exponential_distribution<double> gap(kCallsPerSecond);
  std::vector<double> times;
  const auto calls = static_cast<std::size_t>(seconds * kCallsPerSecond);
  while (times.size() < calls) {
    Pause(gap(random));
    const auto start = std::chrono::steady_clock::now();
    Send(end, bytes);
    if (!Receive(end, kAnswerBytes)) {
      Fail("the answer");
    }
    times.push_back(
        Milliseconds(std::chrono::steady_clock::now() - start).count());
  }
  std::sort(times.begin(), times.end());
  return times;
}

void Measure(const std::vector<int>& cores, std::size_t bytes, bool is_busy,
             double seconds) {
  const Connection connection = Connect();
  std::atomic<bool> is_over{false};
  std::thread answerer([&] {
    StayOn({cores.front()});
    while (Receive(connection.answerer, bytes)) {
      Send(connection.answerer, kAnswerBytes);
    }
  });
  std::thread busy([&] {
    StayOn({cores.front()});
    while (is_busy && !is_over) {
    }
  });
  const std::vector<double> times =
      TimesOfCalls(connection.caller, bytes, seconds);
  is_over = true;
  close(connection.caller);
  answerer.join();
  busy.join();
  close(connection.answerer);
  const auto at = [&times](double share) {
    return times[static_cast<std::size_t>(
        share * static_cast<double>(times.size() - 1))];
  };
  std::printf("%7zu bytes, %-24s p50 %6.2f  p90 %6.2f  p99 %6.2f  most %6.2f\n",
              bytes, is_busy ? "beside a computing thread" : "an idle core",
              at(0.5), at(0.9), at(0.99), at(1));
  std::fflush(stdout);
}

int Run(double seconds) {
  const std::vector<int> cores = AllowedCores();
  StayOn({cores.back()});
  for (int round = 1; round <= 3; ++round) {
    std::printf("round %d, ms\n", round);
    for (const std::size_t bytes : {std::size_t{1500}, std::size_t{150'000}}) {
      for (const bool is_busy : {false, true}) {
        Measure(cores, bytes, is_busy, seconds);
      }
    }
  }
  return EXIT_SUCCESS;
}

}  // namespace
}  // namespace resnetd

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::atof(argv[1]) : 10;
  if (seconds < 1) {
    std::fprintf(stderr, "usage: echo_bench [SECONDS, at least 1]\n");
    return EXIT_FAILURE;
  }
  return resnetd::Run(seconds);
}
