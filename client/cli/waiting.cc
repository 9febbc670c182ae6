#include "client/cli/waiting.h"

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
  return Fitted(line, terminal);
}

Waiting::Waiting(const Console& console, absl::string_view what, bool enabled)
    : terminal_(console.terminal),
      what_(what),
      begun_(std::chrono::steady_clock::now()),
      line_(console, enabled) {
  if (line_.enabled()) {
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
  do {
    const SteadyTime now = std::chrono::steady_clock::now();
    line_.Show(WaitingLine(what_, now - begun_, terminal_));
    if (!is_over_) {
      changed_.WaitUntil(mutex_, now + kRedraw);
    }
  } while (!is_over_);
  line_.Clear();
}

}  // namespace resnetd::cli
