#pragma once

#include "client/cli/app_fwd.h"
#include "client/cli/command_line.h"

namespace resnetd::cli {

// Adds `models` with every command behind it. `arguments` outlives the tree.
void AddModelCommands(CLI::App& root, Arguments& arguments);

}  // namespace resnetd::cli
