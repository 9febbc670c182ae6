#pragma once

#include "client/cli/app_fwd.h"
#include "client/cli/command_line.h"

namespace resnetd::cli {

// Adds `token new`.
void AddTokenCommands(CLI::App& root, Arguments& arguments);

}  // namespace resnetd::cli
