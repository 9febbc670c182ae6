#include "server/app/end_signal.h"

#include <pthread.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "server/base/log.h"
#include "server/base/mutex.h"

namespace resnetd {

EndSignal::EndSignal() {
  sigemptyset(&signals_);
  sigaddset(&signals_, SIGTERM);
  sigaddset(&signals_, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
  listener_ = std::thread([this] { Listen(); });
}

EndSignal::~EndSignal() {
  {
    const MutexLock lock(mutex_);
    is_closed_ = true;
    if (!has_come_) {
      // NOLINTNEXTLINE(bugprone-bad-signal-to-kill-thread): it waits for it
      pthread_kill(listener_.native_handle(), SIGTERM);
    }
  }
  listener_.join();
}

void EndSignal::Listen() {
  siginfo_t signal{};
  while (sigwaitinfo(&signals_, &signal) < 0) {
    // Interrupted by a debugger or a stop.
  }
  const MutexLock lock(mutex_);
  if (!is_started_ && !is_closed_ && signal.si_pid != getpid()) {
    Log(LogLevel::kInfo, "asked to end while starting", {});
    std::fflush(nullptr);
    // Threads that load models are not waited for.
    std::_Exit(EXIT_SUCCESS);
  }
  has_come_ = true;
  changed_.NotifyAll();
}

void EndSignal::Started() {
  const MutexLock lock(mutex_);
  is_started_ = true;
}

void EndSignal::Await() {
  {
    const MutexLock lock(mutex_);
    while (!has_come_) {
      changed_.Wait(mutex_);
    }
  }
  pthread_sigmask(SIG_UNBLOCK, &signals_, nullptr);
}

}  // namespace resnetd
