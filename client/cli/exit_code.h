#pragma once

#include "absl/status/status.h"

namespace resnetd::cli {

// What resnetctl tells the shell; documented in docs/resnetctl.md. A process
// that is interrupted ends by the signal, which a shell reports as 130.
enum class ExitCode {
  kOk = 0,
  kOther = 1,
  kUsage = 2,
  kUnavailable = 3,
  kNotFound = 4,
  kDeadline = 5,
  kExhausted = 6,
  kDenied = 7,
  kInvalidInput = 8,
};

// The exit code for a call that ended with `code`.
ExitCode ExitCodeFor(absl::StatusCode code);

}  // namespace resnetd::cli
