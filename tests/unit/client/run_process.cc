#include "tests/unit/client/run_process.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>

namespace resnetd::test {
namespace {

// The two ends of a way out of the child.
struct Ends {
  int ours = -1;
  int theirs = -1;
};

void Require(bool worked, const char* what) {
  if (!worked) {
    std::perror(what);
    std::abort();
  }
}

Ends MakeWay(bool tty) {
  Ends ends;
  if (tty) {
    winsize size = {.ws_row = 24, .ws_col = 80, .ws_xpixel = 0, .ws_ypixel = 0};
    Require(openpty(&ends.ours, &ends.theirs, nullptr, nullptr, &size) == 0,
            "openpty");
  } else {
    std::array<int, 2> fds = {};
    Require(pipe(fds.data()) == 0, "pipe");
    ends = {.ours = fds[0], .theirs = fds[1]};
  }
  Require(fcntl(ends.ours, F_SETFD, FD_CLOEXEC) == 0, "fcntl");
  Require(fcntl(ends.theirs, F_SETFD, FD_CLOEXEC) == 0, "fcntl");
  return ends;
}

std::vector<char*> Pointers(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (std::string& word : words) {
    pointers.push_back(word.data());
  }
  pointers.push_back(nullptr);
  return pointers;
}

Ends MakeWayIn(bool tty) {
  if (tty) {
    return MakeWay(true);
  }
  std::array<int, 2> fds = {};
  Require(pipe2(fds.data(), O_CLOEXEC) == 0, "pipe2");
  return {.ours = fds[1], .theirs = fds[0]};
}

// Reads what is there into `text`; false at the end, which for a terminal is
// the error EIO.
bool ReadSome(int fd, std::string& text) {
  std::array<char, 4096> buffer = {};
  const ssize_t got = read(fd, buffer.data(), buffer.size());
  if (got <= 0) {
    return got < 0 && errno == EINTR;
  }
  text.append(buffer.data(), static_cast<std::size_t>(got));
  return true;
}

}  // namespace

Process::Process(const ProcessOptions& options)
    : input_(options.input), in_is_tty_(options.in_is_tty) {
  const Ends out = MakeWay(options.out_is_tty);
  const Ends err = MakeWay(options.err_is_tty);
  const Ends in = MakeWayIn(options.in_is_tty);
  std::vector<std::string> words = options.words;
  std::vector<std::string> environment = {"PATH=/usr/local/bin:/usr/bin:/bin"};
  // The packaged gRPC's other resolver, c-ares, loses ten bytes: the preset
  // for AddressSanitizer chooses the one of the system, also for children.
  if (const char* const resolver = std::getenv("GRPC_DNS_RESOLVER")) {
    environment.push_back(std::string("GRPC_DNS_RESOLVER=") + resolver);
  }
  for (const auto& [name, value] : options.environment) {
    environment.push_back(name + "=" + value);
  }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in.theirs, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err.theirs, STDERR_FILENO);
  if (options.out_file.empty()) {
    posix_spawn_file_actions_adddup2(&actions, out.theirs, STDOUT_FILENO);
  } else {
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO,
                                     options.out_file.c_str(), O_WRONLY, 0);
  }
  errno = posix_spawn(&pid_, words[0].c_str(), &actions, nullptr,
                      Pointers(words).data(), Pointers(environment).data());
  Require(errno == 0, words[0].c_str());
  posix_spawn_file_actions_destroy(&actions);
  close(in.theirs);
  close(out.theirs);
  close(err.theirs);
  in_ = in.ours;
  out_ = out.ours;
  err_ = err.ours;
}

Process::~Process() {
  if (pid_ > 0) {
    Signal(SIGKILL);
    Wait();
  }
}

void Process::Signal(int signal) const { kill(pid_, signal); }

void Process::Collect() {
  // A child that does not read its input must not end this process.
  struct sigaction ignore = {};
  ignore.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &ignore, nullptr);
  std::size_t written = 0;
  std::array<pollfd, 3> fds = {{{.fd = out_, .events = POLLIN, .revents = 0},
                                {.fd = err_, .events = POLLIN, .revents = 0},
                                {.fd = in_, .events = POLLOUT, .revents = 0}}};
  while (fds[0].fd >= 0 || fds[1].fd >= 0) {
    if (fds[2].fd >= 0 && written == input_.size()) {
      // A terminal that is closed hangs up: it stays until the end.
      if (!in_is_tty_) {
        close(in_);
        in_ = -1;
      }
      fds[2].fd = -1;
    }
    if (poll(fds.data(), fds.size(), -1) < 0) {
      continue;
    }
    if (fds[0].revents != 0 && !ReadSome(out_, result_.out)) {
      fds[0].fd = -1;
    }
    if (fds[1].revents != 0 && !ReadSome(err_, result_.err)) {
      fds[1].fd = -1;
    }
    if (fds[2].revents != 0) {
      const ssize_t put =
          write(in_, input_.data() + written, input_.size() - written);
      written =
          put < 0 ? input_.size() : written + static_cast<std::size_t>(put);
    }
  }
  if (in_ >= 0) {
    close(in_);
  }
  close(out_);
  close(err_);
}

ProcessResult Process::Wait() {
  Collect();
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  result_.code =
      WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return result_;
}

ProcessResult RunProcess(const ProcessOptions& options) {
  return Process(options).Wait();
}

}  // namespace resnetd::test
