#pragma once

#include "client/cli/app_fwd.h"
#include "client/cli/command_line.h"

namespace resnetd::cli {

// Adds `data` with every command behind it. `arguments` outlives the tree.
void AddDataCommands(CLI::App& root, Arguments& arguments);

}  // namespace resnetd::cli
