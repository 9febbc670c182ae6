#include "client/cli/waiting.h"

#include <algorithm>
#include <ostream>

#include "absl/strings/str_cat.h"
#include "client/cli/text.h"

namespace resnetd::cli {
namespace {

// The seconds are all that changes.
constexpr std::chrono::milliseconds kRedraw(500);

}  // namespace

std::string WaitingLine(absl::string_view what,
                        std::chrono::nanoseconds elapsed,
                        const Terminal& terminal) {
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(elapsed).count();
  const std::string line =
      absl::StrCat(Printable(what), " ... ", seconds, " s");
  // In the last column many terminals already begin the next line.
  return Shorten(line,
                 terminal.columns - std::min<std::size_t>(terminal.columns, 1));
}

Waiting::Waiting(const Console& console, absl::string_view what, bool enabled)
    : console_(console), what_(what), begun_(std::chrono::steady_clock::now()) {
  if (enabled && console.terminal.err_is_live) {
    thread_ = Thread("waiting", [this] { Work(); });
  }
}

Waiting::~Waiting() {
  {
    const MutexLock lock(mutex_);
    is_over_ = true;
  }
  changed_.NotifyAll();
  thread_.Join();
}

void Waiting::Work() {
  const MutexLock lock(mutex_);
  while (!is_over_) {
    const SteadyTime now = std::chrono::steady_clock::now();
    console_.err << "\r" << WaitingLine(what_, now - begun_, console_.terminal)
                 << "\x1b[K" << std::flush;
    changed_.WaitUntil(mutex_, now + kRedraw);
  }
  console_.err << "\r\x1b[K" << std::flush;
}

}  // namespace resnetd::cli
