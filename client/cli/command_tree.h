#pragma once

#include <memory>

#include "client/cli/app_fwd.h"
#include "client/cli/command_line.h"

namespace resnetd::cli {

// The commands and options of resnetctl, for parsing, help and completion.
// Parsing with it fills `arguments`, which outlives it.
std::unique_ptr<CLI::App> CommandTree(Arguments& arguments);

}  // namespace resnetd::cli
