#include "client/cli/interrupt.h"

#include <atomic>
#include <csignal>

namespace resnetd::cli {
namespace {

// A signal handler has no other place to write to.
std::atomic<bool> has_come_here = false;
static_assert(std::atomic<bool>::is_always_lock_free);

// The handler is called once: then the signal does what it did before.
constexpr int kOnce = static_cast<int>(SA_RESETHAND);

void Note(int /*signal*/) { has_come_here.store(true); }

void Handle(int signal, void (*handler)(int), int flags) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = flags;
  sigaction(signal, &action, nullptr);
}

}  // namespace

Interrupt::Interrupt() {
  has_come_here.store(false);
  Handle(SIGINT, Note, kOnce);
  Handle(SIGTERM, Note, kOnce);
}

Interrupt::~Interrupt() {
  Handle(SIGINT, SIG_DFL, 0);
  Handle(SIGTERM, SIG_DFL, 0);
}

bool Interrupt::has_come() const { return has_come_here.load(); }

}  // namespace resnetd::cli
