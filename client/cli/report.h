#pragma once

#include <string>

#include "absl/status/status.h"
#include "client/cli/exit_code.h"
#include "client/cli/terminal.h"

namespace resnetd::cli {

// The text of an error for a person: what happened and, on further lines, what
// to do. Escaped for a terminal.
std::string Explain(const absl::Status& error);

// Writes "error: ..." to stderr; returns the exit code that goes with it.
ExitCode ReportError(const Console& console, const absl::Status& error);

// Writes "warning: ..." to stderr.
void ReportWarning(const Console& console, absl::string_view text);

}  // namespace resnetd::cli
