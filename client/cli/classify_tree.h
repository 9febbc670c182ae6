#pragma once

#include "client/cli/app_fwd.h"
#include "client/cli/command_line.h"

namespace resnetd::cli {

// Adds `resnetctl classify` and `resnetctl embed`; see command_tree.h.
void AddClassifyCommands(CLI::App& root, Arguments& arguments);

}  // namespace resnetd::cli
