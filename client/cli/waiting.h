#pragma once

#include <chrono>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "client/cli/status_line.h"
#include "client/cli/terminal.h"
#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/base/thread.h"

namespace resnetd::cli {

// A line at the bottom of a terminal, on stderr, while a call takes long: what
// is waited for, and for how long. Nothing at all when nobody watches. Gone
// after destruction; nothing else may be written to stderr meanwhile. Not
// thread-safe.
class Waiting {
 public:
  // `console` outlives it.
  Waiting(const Console& console, absl::string_view what, bool enabled);
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;
  ~Waiting();

 private:
  void Work();

  const Terminal terminal_;
  const std::string what_;
  const SteadyTime begun_;
  // Of the thread alone, while it runs.
  StatusLine line_;
  Mutex mutex_;
  CondVar changed_;
  bool is_over_ ABSL_GUARDED_BY(mutex_) = false;
  Thread thread_;
};

// The line: "measuring digits@2 ... 12 s"; narrower than the terminal.
std::string WaitingLine(absl::string_view what,
                        std::chrono::nanoseconds elapsed,
                        const Terminal& terminal);

}  // namespace resnetd::cli
