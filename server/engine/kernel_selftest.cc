#include "server/engine/kernel_selftest.h"

#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <filesystem>
#include <iterator>
#include <oneapi/dnnl/dnnl.hpp>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "server/base/clock.h"
#include "server/base/error.h"
#include "server/base/status_macros.h"
#include "server/engine/onednn_api.h"
#include "server/engine/openmp.h"
#include "server/engine/probe.h"
#include "server/models/fallbacks.h"

namespace resnetd {
namespace {

// Exit codes of a child.
constexpr int kWorks = 0;
constexpr int kWrong = 1;
constexpr int kTooLate = 2;

// What a child said and how it ended.
struct Trial {
  bool works = false;
  // The instruction set it used; absent when it died before it knew.
  std::optional<Isa> isa;
  // E.g. "signal 4", empty when it works.
  std::string end;
};

absl::Status CannotFork(absl::string_view what) {
  return Error(absl::StatusCode::kInternal, Reason::kInternal,
               absl::StrCat("the self-test of the vector kernels needs a "
                            "process of its own: ",
                            what));
}

// The signals that a broken kernel or the time limit raise must kill the child
// whatever the parent did with them, and without a core file.
void DieQuietly(Duration time_limit) {
  struct sigaction by_default = {};
  by_default.sa_handler = SIG_DFL;
  for (const int signal : {SIGILL, SIGSEGV, SIGBUS, SIGFPE, SIGTRAP, SIGALRM}) {
    sigaction(signal, &by_default, nullptr);
  }
  sigset_t none;
  sigemptyset(&none);
  pthread_sigmask(SIG_SETMASK, &none, nullptr);
  const rlimit no_core = {0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  const auto microseconds =
      std::chrono::duration_cast<std::chrono::microseconds>(time_limit).count();
  const itimerval timer = {.it_interval = {},
                           .it_value = {.tv_sec = microseconds / 1'000'000,
                                        .tv_usec = microseconds % 1'000'000}};
  setitimer(ITIMER_REAL, &timer, nullptr);
}

void WriteAll(int fd, absl::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) {
      continue;
    }
    if (written <= 0) {
      return;
    }
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

// Writes the name of the instruction set, a line end and what is wrong.
[[noreturn]] void RunChild(const KernelSelftestOptions& options,
                           std::optional<dnnl::cpu_isa> cap, int fd) {
  DieQuietly(options.time_limit);
  if (cap && !SetMaxIsa(*cap)) {
    _exit(kTooLate);
  }
  const OpenMpTeam alone(1);
  const std::string isa = EffectiveIsa().name;
  WriteAll(fd, absl::StrCat(isa, "\n"));
  if (options.fault) {
    options.fault(isa);
  }
  const std::string wrong = ProbeKernels();
  WriteAll(fd, wrong);
  _exit(wrong.empty() ? kWorks : kWrong);
}

std::string ReadAll(int fd) {
  std::string text;
  std::array<char, 256> buffer{};
  while (true) {
    const ssize_t count = read(fd, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count <= 0) {
      return text;
    }
    text.append(buffer.data(), static_cast<std::size_t>(count));
  }
}

Trial Judge(int wait_status, const std::string& said) {
  Trial trial;
  const std::size_t line_end = said.find('\n');
  if (line_end != std::string::npos) {
    for (Isa& isa : FallbackIsas()) {
      if (isa.name == said.substr(0, line_end)) {
        trial.isa = std::move(isa);
      }
    }
  }
  if (WIFSIGNALED(wait_status)) {
    trial.end = absl::StrCat("signal ", WTERMSIG(wait_status));
  } else if (WEXITSTATUS(wait_status) == kWorks) {
    trial.works = true;
  } else if (line_end != std::string::npos) {
    trial.end = said.substr(line_end + 1);
  }
  return trial;
}

absl::StatusOr<Trial> RunTrial(const KernelSelftestOptions& options,
                               std::optional<dnnl::cpu_isa> cap) {
  std::array<int, 2> ends{};
  if (pipe(ends.data()) != 0) {
    return CannotFork("no pipe can be made");
  }
  const pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    RunChild(options, cap, ends[1]);
  }
  close(ends[1]);
  if (child < 0) {
    close(ends[0]);
    return CannotFork("fork failed");
  }
  const std::string said = ReadAll(ends[0]);  // until the child has ended
  close(ends[0]);
  int wait_status = 0;
  while (waitpid(child, &wait_status, 0) < 0) {
    if (errno != EINTR) {
      return CannotFork("its end cannot be awaited");
    }
  }
  if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == kTooLate) {
    return CannotFork("call it before the library is used");
  }
  return Judge(wait_status, said);
}

absl::Status CheckIsAlone() {
  std::error_code error;
  const std::filesystem::directory_iterator tasks("/proc/self/task", error);
  if (!error && std::distance(begin(tasks), end(tasks)) > 1) {
    return CannotFork("call it before the first thread is started");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<KernelSelftest> ProveKernels(
    const KernelSelftestOptions& options) {
  RETURN_IF_ERROR(CheckIsAlone());
  ASSIGN_OR_RETURN(const Trial first, RunTrial(options, std::nullopt));
  if (first.works) {
    const std::string isa = EffectiveIsa().name;
    return KernelSelftest{
        .isa = isa,
        .capped = false,
        .text = absl::StrCat(LibraryVersion(), ": ", isa, " kernels work")};
  }
  std::vector<std::string> tried = {absl::StrCat(
      first.isa ? first.isa->name : "default", " (", first.end, ")")};
  for (const Isa& weaker : FallbackIsas()) {
    if (first.isa && !IsWeaker(weaker.value, first.isa->value)) {
      continue;
    }
    ASSIGN_OR_RETURN(const Trial trial, RunTrial(options, weaker.value));
    if (!trial.works) {
      tried.push_back(absl::StrCat(weaker.name, " (", trial.end, ")"));
      continue;
    }
    if (!SetMaxIsa(weaker.value)) {
      return CannotFork("call it before the library is used");
    }
    CountFallback(Fallback::kKernelsCapped);
    return KernelSelftest{
        .isa = weaker.name,
        .capped = true,
        .text = absl::StrCat(
            LibraryVersion(), ": capped to ", weaker.name,
            "; kernels that fail here: ", absl::StrJoin(tried, ", "))};
  }
  return Error(
      absl::StatusCode::kFailedPrecondition, Reason::kBackendUnavailable,
      absl::StrCat("no vector kernel of the CPU engine runs on this "
                   "machine; tried ",
                   absl::StrJoin(tried, ", "), "; use --backend=torch"));
}

}  // namespace resnetd
